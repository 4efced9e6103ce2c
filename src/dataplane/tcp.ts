import { COUNTER } from '../core/answer/counters.js';
import type { DatagramHandler, StreamConnection, StreamHandler } from '../io/tier.js';
import { ClientCounts, clientOf } from './client-counts.js';
import { Conversation, Conversations } from './conversations.js';
import type { TcpLimits } from './protocol.js';
import { STREAM_MESSAGE_MAX } from './responder.js';

/** A query is a name, a type and options: more than this is none that gets an answer here. */
const QUERY_BYTES_MAX = 4096;
const LENGTH_BYTES = 2;
/** The part of the table from which on clients are asked to close. */
const NEARLY_FULL = 0.9;

export interface TcpOptions {
  /** Which counters stand for these connections, if they are not plain TCP; what is absent is counted elsewhere. */
  readonly counters?: { readonly accepted?: number; readonly refused?: number; readonly timeout?: number };
  /** Tells of each complete message. */
  readonly asked?: (connection: StreamConnection) => void;
}

const TCP_COUNTERS = {
  accepted: COUNTER.TCP_ACCEPTED,
  refused: COUNTER.TCP_REFUSED,
  timeout: COUNTER.TCP_TIMEOUT,
} as const;

/**
 * DNS over TCP (RFC 7766): messages with a two-byte length in front, several in a row, split anywhere. Answers
 * leave in the order of the queries. A connection without a complete query for the idle limit is closed, however
 * busily it sends bytes.
 */
export class TcpService implements StreamHandler {
  readonly #answer: DatagramHandler;
  readonly #limits: TcpLimits;
  readonly #counters: Float64Array;
  readonly #kinds: NonNullable<TcpOptions['counters']>;
  readonly #asked: TcpOptions['asked'];
  readonly #clients = new ClientCounts();
  readonly #conversations = new Conversations();
  /** Answers gather here and leave with one write. */
  readonly #output = new Uint8Array(2 * (LENGTH_BYTES + STREAM_MESSAGE_MAX));
  #gathered = 0;
  #nowMs: number;

  constructor(
    answer: DatagramHandler,
    limits: TcpLimits,
    counters: Float64Array,
    nowMs: number,
    options: TcpOptions = {},
  ) {
    this.#answer = answer;
    this.#limits = limits;
    this.#counters = counters;
    this.#kinds = options.counters ?? TCP_COUNTERS;
    this.#asked = options.asked;
    this.#nowMs = nowMs;
  }

  opened(connection: StreamConnection): boolean {
    const client = clientOf(connection.source, connection.family);
    const { maxPerClient, maxConnections } = this.#limits;
    // First among its own: a client over its share takes no place from others.
    const hasRoom =
      this.#clients.count(client) >= maxPerClient
        ? this.#evict(client)
        : this.#conversations.size < maxConnections || this.#evict();
    if (!hasRoom) {
      this.#count(this.#kinds.refused);
      return false;
    }
    this.#clients.add(client);
    this.#count(this.#kinds.accepted);
    const conversation = new Conversation(connection, client, this.#nowMs);
    connection.attached = conversation;
    this.#conversations.add(conversation);
    return true;
  }

  received(connection: StreamConnection, bytes: Uint8Array, length: number): void {
    const conversation = conversationOf(connection);
    if (conversation === null) return;
    this.#gathered = 0;
    if (this.#read(connection, conversation, bytes, length)) this.#flush(connection);
  }

  /** False if the connection was closed. */
  #read(
    connection: StreamConnection,
    conversation: Conversation,
    bytes: Uint8Array,
    length: number,
  ): boolean {
    let at = 0;
    while (at < length || conversation.filled > 0) {
      // Whole messages are answered where they lie; only a cut one is copied.
      if (conversation.filled === 0) {
        const next = this.#answerNext(connection, conversation, bytes, at, length);
        if (next < 0) return false;
        if (next > at) {
          at = next;
          continue;
        }
      }
      const taken = this.#gather(conversation, bytes, at, length);
      if (taken < 0) {
        // What was asked before is answered first.
        if (this.#flush(connection)) connection.destroy();
        return false;
      }
      at += taken;
      if (!isComplete(conversation)) return true;
      const { pending, filled } = conversation;
      conversation.filled = 0;
      if (this.#answerNext(connection, conversation, pending, 0, filled) < 0) return false;
    }
    return true;
  }

  /** Sends what was gathered; false, and the connection closed, if the peer does not take it. */
  #flush(connection: StreamConnection): boolean {
    if (this.#gathered === 0) return true;
    const taken = connection.write(this.#output, 0, this.#gathered);
    this.#gathered = 0;
    if (!taken) connection.destroy();
    return taken;
  }

  ended(connection: StreamConnection): void {
    connection.end();
  }

  closed(connection: StreamConnection): void {
    const conversation = conversationOf(connection);
    if (conversation === null) return;
    connection.attached = null;
    this.#conversations.remove(conversation);
    this.#clients.remove(conversation.client);
  }

  /** Closes connections that are idle for too long (a slow reader is: nothing is read from it) or too old. */
  tick(nowMs: number): void {
    this.#nowMs = nowMs;
    const { idleTimeoutMs, lifetimeMs } = this.#limits;
    for (const { connection, lastQueryMs, openedMs } of this.#conversations) {
      if (nowMs - lastQueryMs < idleTimeoutMs && nowMs - openedMs < lifetimeMs) continue;
      this.#count(this.#kinds.timeout);
      connection.destroy();
    }
  }

  get connections(): number {
    return this.#conversations.size;
  }

  /** For the keepalive option. */
  get keepalive(): number {
    return keepaliveOf(this.#conversations.size, this.#limits);
  }

  /** Answers the message at `at` if it is complete. Returns the offset after it, `at` if more must come, -1 if closed. */
  #answerNext(
    connection: StreamConnection,
    conversation: Conversation,
    bytes: Uint8Array,
    at: number,
    end: number,
  ): number {
    if (end - at < LENGTH_BYTES) return at;
    const size = (bytes[at]! << 8) | bytes[at + 1]!;
    const start = at + LENGTH_BYTES;
    if (start + size > end) return at;
    conversation.lastQueryMs = this.#nowMs;
    this.#asked?.(connection);
    const output = this.#output;
    const { source, family } = connection;
    const base = this.#gathered + LENGTH_BYTES;
    const length = this.#answer(bytes, start, start + size, output, base, source, 0, family);
    // Nothing to say to what is no query: the stream can't be trusted either.
    if (length === 0) {
      if (this.#flush(connection)) connection.destroy();
      return -1;
    }
    output[base - 2] = length >> 8;
    output[base - 1] = length & 0xff;
    this.#gathered = base + length;
    // Room for one more of the largest must stay.
    if (this.#gathered > LENGTH_BYTES + STREAM_MESSAGE_MAX && !this.#flush(connection)) return -1;
    if (++conversation.queries >= this.#limits.maxQueries) {
      if (this.#flush(connection)) connection.end();
      return -1;
    }
    return start + size;
  }

  /** Adds to the pending message what belongs to it; returns how many bytes that were, -1 if it is too long. */
  #gather(conversation: Conversation, bytes: Uint8Array, at: number, end: number): number {
    let taken = 0;
    for (;;) {
      const wanted = wantedBytes(conversation);
      if (wanted > LENGTH_BYTES + QUERY_BYTES_MAX) return -1;
      const more = Math.min(wanted - conversation.filled, end - at - taken);
      if (more === 0) return taken;
      if (conversation.pending.length < wanted) {
        const larger = new Uint8Array(wanted);
        larger.set(conversation.pending.subarray(0, conversation.filled));
        conversation.pending = larger;
      }
      conversation.pending.set(bytes.subarray(at + taken, at + taken + more), conversation.filled);
      conversation.filled += more;
      taken += more;
    }
  }

  /**
   * Makes room by closing the oldest connection (of `client`, if given) that never asked, else the one idle longest, if
   * it is idle at all (RFC 7766 §6.2.3): who opens many and asks nothing displaces himself.
   */
  #evict(client?: string): boolean {
    let oldest: StreamConnection | undefined;
    let oldestMs = this.#nowMs;
    for (const conversation of this.#conversations) {
      const { connection } = conversation;
      if (client !== undefined && conversation.client !== client) continue;
      if (conversation.queries === 0) {
        oldest = connection;
        break;
      }
      if (conversation.lastQueryMs >= oldestMs) continue;
      oldest = connection;
      oldestMs = conversation.lastQueryMs;
    }
    if (!oldest) return false;
    this.#count(this.#kinds.timeout);
    // Forgotten at once: a tier may tell later that it is closed.
    this.closed(oldest);
    oldest.destroy();
    return true;
  }

  #count(counter: number | undefined): void {
    if (counter === undefined) return;
    this.#counters[counter] = this.#counters[counter]! + 1;
  }
}

/** For the keepalive option (RFC 7828 §3.3.2), in units of 100 ms: 0, please close, when the table is nearly full. */
export function keepaliveOf(connections: number, { maxConnections, idleTimeoutMs }: TcpLimits): number {
  if (connections > maxConnections * NEARLY_FULL) return 0;
  return Math.min(Math.floor(idleTimeoutMs / 100), 0xffff);
}

/** Null of a connection that is not in progress here. */
function conversationOf({ attached }: StreamConnection): Conversation | null {
  return attached instanceof Conversation ? attached : null;
}

/** Bytes of the pending message with its length; the two length bytes as long as that is unknown. */
function wantedBytes({ pending, filled }: Conversation): number {
  return filled < LENGTH_BYTES ? LENGTH_BYTES : LENGTH_BYTES + ((pending[0]! << 8) | pending[1]!);
}

function isComplete(conversation: Conversation): boolean {
  return conversation.filled >= LENGTH_BYTES && conversation.filled === wantedBytes(conversation);
}
