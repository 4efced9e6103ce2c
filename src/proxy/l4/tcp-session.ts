import { hashText, NO_KEY } from '../../core/balance/hash.js';
import type { ProxyTimeouts } from '../../core/balance/model.js';
import type { Connection, Network } from '../../io/network.js';
import { NO_SLOT } from '../../io/roster.js';
import type { ListenerCounters } from '../counters.js';
import type { Deadlines, Timed } from '../deadlines.js';
import { countEvent } from '../listener-events.js';
import type { Session } from '../proxy-listener.js';
import { connectToAny } from '../racing-connection.js';
import { Tunnel } from '../tunnel.js';
import type { UpstreamEndpoint } from '../upstream-endpoint.js';
import type { PoolWaiter, UpstreamPool } from '../upstream-pool.js';
import { type Opening, openingBytes } from './opening.js';

const ENDPOINTS_TRIED_MAX = 3;
const NO_TICKET = -1;
const NOTHING = new Uint8Array(0);

export interface SessionModules {
  readonly network: Network;
  readonly pool: UpstreamPool;
  readonly timeouts: ProxyTimeouts;
  readonly deadlines: Deadlines;
  readonly counters: ListenerCounters;
  /** What the endpoint hears first; null for nothing. */
  readonly opening: Opening | null;
  /** No endpoint accepted: ends the client's connection, or takes it over, in the way of its protocol. */
  readonly onNoEndpoint: (client: Connection) => void;
  readonly onClosed: (session: TcpSession) => void;
}

/**
 * One TCP connection of a client: finds an endpoint that accepts, then joins the two. Nothing is read from the
 * client before that, so a failed endpoint costs no byte and the next one can be tried.
 */
export class TcpSession implements Session, Timed, PoolWaiter {
  deadlineSlot = NO_SLOT;
  sessionSlot = NO_SLOT;
  deadlineMs = Number.POSITIVE_INFINITY;
  readonly #client: Connection;
  readonly #modules: SessionModules;
  /** Endpoints that did not accept. */
  readonly tried: number[] = [];
  readonly key: number;
  #endpoint: UpstreamEndpoint | null = null;
  #upstream: Connection | null = null;
  #tunnel: Tunnel | null = null;
  #ticket = NO_TICKET;
  #beganMs = 0;
  /** What came with a PROXY header, before the pause. */
  #early: Uint8Array | null = null;

  /** Becomes the handler of `client`, and pauses it. */
  constructor(client: Connection, modules: SessionModules) {
    this.#client = client;
    this.#modules = modules;
    const { keySource, sticky } = modules.pool;
    const host = keySource === null && sticky === null ? '' : hostOf(client, modules.opening);
    const hashed = keySource === null ? NO_KEY : hashText(host);
    this.key = sticky === null ? hashed : sticky.keyOf(null, host, hashed);
    client.handler = this;
    client.pause();
    modules.deadlines.add(this);
    modules.pool.tally.issued();
    this.#tryNext();
  }

  /** The endpoint at hand doesn't accept in time. */
  onDeadline(): void {
    this.#upstream?.destroy();
  }

  /** A session ends when its two sides say so; until then it goes on. */
  drain(): void {}

  destroy(): void {
    this.#tunnel?.destroy();
    this.#upstream?.destroy();
    this.#client.destroy();
  }

  onOpen(upstream: Connection): void {
    const { pool, deadlines, timeouts, counters, network } = this.#modules;
    const endpoint = this.#endpoint!;
    endpoint.connecting--;
    pool.result(endpoint, 200, deadlines.nowMs - this.#beganMs);
    // The endpoint at hand is the last of those that were tried.
    if (pool.sticky !== null) {
      pool.sticky.settle(NOTHING, 0, null, this.key, this.tried.slice(0, -1), endpoint.index);
    }
    this.deadlineMs = Number.POSITIVE_INFINITY;
    deadlines.delete(this);
    this.#introduce(upstream);
    this.#tunnel = new Tunnel(
      { client: this.#client, upstream },
      { idleMs: timeouts.tunnelIdleMs, counters, network },
      { deadlines, onClientClose: () => this.#clientClosed(), onUpstreamClose: () => this.#leave() },
    );
  }

  onData(side: Connection, bytes: Uint8Array, start: number, end: number): void {
    if (side === this.#client && this.#early === null) this.#early = bytes.slice(start, end);
  }

  onDrain(): void {}

  /** Of the client: it can't send more, but may well read. The tunnel passes it on. */
  onEnd(): void {}

  /** Before the tunnel: the endpoint did not accept, or the client is gone. */
  onClose(side: Connection): void {
    if (side === this.#client) {
      this.#clientClosed();
      return;
    }
    if (this.#endpoint !== null) {
      this.#endpoint.connecting--;
      this.#endpoint.connectFailures++;
      // A client that left is not the endpoint's fault.
      if (!this.#client.destroyed) this.#modules.pool.result(this.#endpoint, 0, 0);
    }
    this.#leave();
    if (!this.#client.destroyed) this.#tryNext();
  }

  #tryNext(): void {
    const { pool } = this.#modules;
    const endpoint = this.tried.length < ENDPOINTS_TRIED_MAX ? pool.pick(this.tried, this.key) : 'all_tried';
    if (typeof endpoint !== 'string') {
      this.onEndpoint(endpoint);
      return;
    }
    if (endpoint === 'no_room') this.#ticket = pool.enqueue(this);
    if (this.#ticket === NO_TICKET) this.#giveUp();
  }

  /** The pool has room: at once, or after a wait in its queue. */
  onEndpoint(endpoint: UpstreamEndpoint): void {
    const { pool, deadlines, timeouts, network } = this.#modules;
    this.#ticket = NO_TICKET;
    this.tried.push(endpoint.index);
    this.deadlineMs = deadlines.nowMs + timeouts.connectMs;
    this.#endpoint = endpoint;
    endpoint.connections++;
    endpoint.connecting++;
    this.#beganMs = deadlines.nowMs;
    pool.enter(endpoint);
    const preface = endpoint.tls === null ? undefined : (this.#preface() ?? undefined);
    this.#upstream = connectToAny(network, endpoint.addresses, endpoint.tls, this, preface);
  }

  onQueueTimeout(): void {
    this.#ticket = NO_TICKET;
    this.#giveUp();
  }

  onUnavailable(): void {
    this.onQueueTimeout();
  }

  #giveUp(): void {
    const { deadlines, counters, onNoEndpoint } = this.#modules;
    deadlines.delete(this);
    countEvent(counters.events, 'no_endpoint');
    onNoEndpoint(this.#client);
  }

  /** The PROXY header alone, for TLS; null if the endpoint wants none. */
  #preface(): Uint8Array | null {
    const { opening } = this.#modules;
    if (opening === null || opening.version === null) return null;
    return openingBytes(this.#client, { ...opening, first: NOTHING });
  }

  #introduce(upstream: Connection): void {
    const { opening, counters } = this.#modules;
    if (opening !== null) {
      // In front of TLS the header was sent already.
      const bytes = openingBytes(
        this.#client,
        upstream.tls === null ? opening : { ...opening, version: null },
      );
      if (bytes.length > 0) upstream.write(bytes, 0, bytes.length);
      counters.bytesIn += opening.first.length;
    }
    if (this.#early === null) return;
    upstream.write(this.#early, 0, this.#early.length);
    counters.bytesIn += this.#early.length;
    this.#early = null;
  }

  #leave(): void {
    const endpoint = this.#endpoint;
    if (endpoint === null) return;
    this.#endpoint = null;
    endpoint.connections--;
    this.#modules.pool.leave(endpoint);
    this.#modules.pool.serve();
  }

  #clientClosed(): void {
    this.#modules.deadlines.delete(this);
    if (this.#ticket !== NO_TICKET) this.#modules.pool.cancel(this.#ticket, this);
    if (this.#tunnel === null) this.#upstream?.destroy();
    this.#modules.onClosed(this);
  }
}

/** Whose session it is: for the algorithms that hash the address. */
function hostOf(client: Connection, opening: Opening | null): string {
  return opening?.client?.source.host ?? client.remote.host;
}
