import { type Address, formatAddress, type ListenerModel } from '../core/balance/model.js';
import { TokenBucket, type TokenRate } from '../core/limit/token-bucket.js';
import type { Connection, ConnectionHandler, Listening, Network, Preface, ServerTls } from '../io/network.js';
import { Roster } from '../io/roster.js';
import { ListenError } from '../io/tier.js';
import { ListenerCounters } from './counters.js';
import type { HttpPool } from './l7/context.js';
import type { ListenerModules } from './l7/http-listener.js';
import { type ConnectionGuard, NOT_ADMITTED } from './limit/connection-guard.js';
import { countEvent } from './listener-events.js';
import { type ListenFailure, listenFailure } from './listening.js';
import {
  type ClientFacts,
  expectsHeader,
  type HeaderOptions,
  HeaderWait,
  headerPreface,
} from './proxy-header.js';

/** What serves one client connection. */
export interface Session extends ConnectionHandler {
  /** Kept for its listener; `NO_SLOT` at first. */
  sessionSlot: number;
  /** Ends by itself as soon as nothing is in progress. */
  drain(): void;
  destroy(): void;
}

export interface ListenerOptions {
  readonly network: Network;
  readonly address: Address;
  /** Client connections at once. */
  readonly connectionsMax: number;
  /** Other threads listen there too. */
  readonly shared: boolean;
  readonly tls: ServerTls | null;
  /** Who has to send a PROXY header; absent: nobody. */
  readonly headers?: HeaderOptions;
  /** Who may connect; null, or absent, for everybody. */
  readonly guard?: ConnectionGuard | null;
  /** TLS handshakes that may begin; null, or absent, for any number. */
  readonly handshakes?: TokenRate | null;
}

/** Makes the session of a client. `facts`: whom a PROXY header named; null: the ends of the connection. */
export type Serve = (
  connection: Connection,
  onClosed: (session: Session) => void,
  facts: ClientFacts | null,
) => Session;

/** A listener of any protocol, as the proxy runs it. */
export interface ServedListener {
  readonly counters: ListenerCounters;
  readonly port: number;
  /** Null when it listens. `key` names the address in the configuration. */
  start(key: string): Promise<ListenFailure | null>;
  /** Takes nobody new; calls back when the last client is gone. */
  drain(onDrained: () => void): void;
  destroy(): void;
  /** Takes new settings for the next connections and requests; false, or absent, if it can't. */
  renew?(model: ListenerModel, pools: ReadonlyMap<string, HttpPool>, modules: ListenerModules): boolean;
}

/** What a reload changes of a listener that goes on. */
export interface Renewal
  extends Pick<ListenerOptions, 'connectionsMax' | 'headers' | 'guard' | 'handshakes'> {
  readonly serve: Serve;
}

/** Makes of the new settings what changes; null where connections of now could not go on with them. */
export type Renew = (
  model: ListenerModel,
  pools: ReadonlyMap<string, HttpPool>,
  modules: ListenerModules,
) => Renewal | null;

/** One listener of a proxy and the sessions of its clients, whatever the protocol. */
export class ProxyListener implements ServedListener {
  readonly counters: ListenerCounters;
  #options: ListenerOptions;
  #serve: Serve;
  #handshakes: TokenBucket | null;
  readonly #renew: Renew;
  readonly #sessions = new Roster<Session>();
  #listening: Listening | null = null;
  #announced: ClientFacts | null = null;
  #onDrained: (() => void) | null = null;
  #isRetiring = false;
  /** Who gives back which place, by the slot of a session that is counted by source. */
  readonly #places: ({ readonly guard: ConnectionGuard; readonly place: number } | undefined)[] = [];

  constructor(options: ListenerOptions, counters: ListenerCounters, serve: Serve, renew: Renew = () => null) {
    this.#options = options;
    this.counters = counters;
    this.#serve = serve;
    this.#handshakes = bucketOf(options.handshakes, null, null);
    this.#renew = renew;
  }

  renew(model: ListenerModel, pools: ReadonlyMap<string, HttpPool>, modules: ListenerModules): boolean {
    // With TLS, or without it any more, it would have to be opened anew.
    if ((modules.tls === null) !== (this.#options.tls === null)) return false;
    const renewal = this.#renew(model, pools, modules);
    if (renewal === null) return false;
    const { serve, ...options } = renewal;
    this.#handshakes = bucketOf(options.handshakes, this.#options.handshakes, this.#handshakes);
    this.#options = { ...this.#options, ...options };
    this.#serve = serve;
    return true;
  }

  /** Null when it listens. `key` names the address in the configuration. */
  async start(key: string): Promise<ListenFailure | null> {
    const { network, address, shared, tls, headers } = this.#options;
    const preface = headers === undefined || tls === null ? {} : { preface: this.#preface(headers) };
    try {
      this.#listening = await network.listen(address, { shared, tls, ...preface }, (connection) =>
        this.#accept(connection),
      );
      return null;
    } catch (error) {
      if (!(error instanceof ListenError)) throw error;
      return listenFailure(error.code, error.message, formatAddress(address), key);
    }
  }

  get port(): number {
    return this.#listening?.address.port ?? 0;
  }

  /** Stops accepting and lets what is in progress end; calls back when the last connection is gone. */
  drain(onDrained: () => void): void {
    this.#onDrained = onDrained;
    for (const session of [...this.#sessions]) session.drain();
    if (this.#options.shared && this.#listening !== null) {
      this.#isRetiring = true;
      this.#listening.retire(() => this.#retired());
      return;
    }
    this.#listening?.close();
    this.#checkDrained();
  }

  /** The last ones that were accepted have begun by now. */
  #retired(): void {
    this.#isRetiring = false;
    for (const session of [...this.#sessions]) session.drain();
    this.#checkDrained();
  }

  destroy(): void {
    this.#listening?.close();
    for (const session of [...this.#sessions]) session.destroy();
  }

  #accept(connection: Connection): ConnectionHandler | null {
    const { counters } = this;
    if (counters.active >= this.#options.connectionsMax) {
      counters.refused++;
      return null;
    }
    counters.connections++;
    counters.active++;
    const { headers, tls } = this.#options;
    if (headers !== undefined && tls === null && expectsHeader(headers, connection.remote)) {
      return this.#awaitHeader(connection, headers);
    }
    const facts = this.#announced;
    this.#announced = null;
    return this.#begin(connection, facts);
  }

  /** Null if the client may not connect. */
  #begin(connection: Connection, facts: ClientFacts | null): Session | null {
    const guard = this.#options.guard ?? null;
    if (guard === null) return this.#mayShake() ? this.#serveIt(connection, facts) : this.#turnAway();
    const place = guard.enter((facts?.source ?? connection.remote).host, this.counters.events);
    if (place === NOT_ADMITTED) return this.#turnAway();
    if (!this.#mayShake()) {
      if (place >= 0) guard.leave(place);
      return this.#turnAway();
    }
    const session = this.#serveIt(connection, facts);
    if (place >= 0) this.#places[session.sessionSlot] = { guard, place };
    return session;
  }

  /** False if too many handshakes began lately: asked before one, and after the limits of the client itself. */
  #mayShake(): boolean {
    if (this.#handshakes === null || this.#handshakes.take(this.#options.network.nowMs)) return true;
    countEvent(this.counters.events, 'refused_handshakes');
    return false;
  }

  #turnAway(): null {
    this.counters.active--;
    this.#checkDrained();
    return null;
  }

  /** In front of TLS the network reads the header, and accepts the connection right after. */
  #preface(headers: HeaderOptions): Preface {
    return headerPreface(headers, this.counters.events, (facts) => {
      this.#announced = facts;
    });
  }

  #serveIt(connection: Connection, facts: ClientFacts | null): Session {
    const session = this.#serve(connection, this.#onClosed, facts);
    session.sessionSlot = this.#sessions.add(session);
    return session;
  }

  #awaitHeader(connection: Connection, headers: HeaderOptions): Session {
    const wait: HeaderWait = new HeaderWait(connection, headers, {
      events: this.counters.events,
      take: (facts) => {
        this.#sessions.remove(wait.sessionSlot, wait);
        const session = this.#begin(connection, facts);
        if (session === null) connection.destroy();
        return session ?? NOBODY;
      },
      onGone: this.#onClosed,
    });
    wait.sessionSlot = this.#sessions.add(wait);
    return wait;
  }

  readonly #onClosed = (session: Session): void => {
    const slot = session.sessionSlot;
    if (!this.#sessions.remove(slot, session)) return;
    const counted = this.#places[slot];
    if (counted !== undefined) {
      this.#places[slot] = undefined;
      counted.guard.leave(counted.place);
    }
    this.counters.active--;
    this.#checkDrained();
  };

  #checkDrained(): void {
    if (this.#sessions.size > 0 || this.#isRetiring || this.#onDrained === null) return;
    const done = this.#onDrained;
    this.#onDrained = null;
    done();
  }
}

/** In the place of a session that may not be. */
const NOBODY: ConnectionHandler = { onOpen() {}, onData() {}, onDrain() {}, onEnd() {}, onClose() {} };

/** Under the same rate the bucket of before goes on. */
function bucketOf(
  rate: TokenRate | null | undefined,
  before: TokenRate | null | undefined,
  bucket: TokenBucket | null,
): TokenBucket | null {
  if (rate === undefined || rate === null) return null;
  const isSame = rate.perSecond === before?.perSecond && rate.burst === before.burst;
  return isSame && bucket !== null ? bucket : new TokenBucket(rate);
}

export function newCounters(address: Address): ListenerCounters {
  return new ListenerCounters(formatAddress(address));
}
