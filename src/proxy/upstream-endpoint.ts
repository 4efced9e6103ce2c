import { isIP } from 'node:net';
import { hashText } from '../core/balance/hash.js';
import {
  type Address,
  type EndpointLimits,
  type EndpointModel,
  formatAddress,
  type ProxyLimits,
} from '../core/balance/model.js';
import type { BreakerState } from '../core/limit/breaker.js';
import type { ClientTls } from '../io/network.js';
import type { SocketAddress } from '../io/tier.js';

/** An open connection that nobody uses at the moment. */
export interface IdleConnection {
  destroy(): void;
}

/** One endpoint of a pool: its health, its counters, and its idle connections. */
export class UpstreamEndpoint<C extends IdleConnection = IdleConnection> {
  readonly index: number;
  readonly address: Address;
  /** Where connections go to: one for an IP address, what a name has now otherwise. */
  addresses: readonly SocketAddress[];
  /** `127.0.0.1:9000`. */
  readonly name: string;
  /** A hash of the name. */
  readonly identity: number;
  readonly priority: number;
  readonly backup: boolean;
  /** Set through the pool: it may change at run time. */
  weight: number;
  /** Up until a check says otherwise. */
  up = true;
  detail = '';
  /** Set aside for a while because of how it answered. */
  ejected = false;
  ejections = 0;
  /** Its circuit breaker lets nothing through at the moment. */
  barred = false;
  /** As the metrics show it: open, or trying. */
  breaker: BreakerState = 'closed';
  breakerOpenings = 0;
  /** Takes nobody new; what is in progress goes on. */
  draining = false;
  /** Since when, milliseconds since 1970: sessions stay for a while. */
  drainingSinceMs = 0;
  /** When its slow start began; -Infinity: it has its whole weight. */
  slowSinceMs: number = Number.NEGATIVE_INFINITY;
  /** All connections to the endpoint: connecting, in use and idle. */
  connections = 0;
  /** Those of them that are being opened; bumped by whoever opens them. */
  connecting = 0;
  connectFailures = 0;
  /** Connections with room that are not in the idle list: of HTTP/2, and those of streams. Bumped by their owners. */
  spare = 0;
  /** How many requests and sessions may be in progress, and connections be open and being opened. */
  readonly requestsMax: number;
  readonly connectionsMax: number;
  readonly connectingMax: number;
  /** Null where connections are plain. */
  tls: ClientTls | null = null;
  readonly #idleMax: number;
  readonly #idle: C[] = [];

  constructor(index: number, model: EndpointModel, limits: ProxyLimits, own: EndpointLimits = {}) {
    this.index = index;
    this.address = model.address;
    this.addresses = isIP(model.address.host) === 0 ? [] : [model.address];
    this.name = formatAddress(model.address);
    this.identity = hashText(this.name);
    this.weight = model.weight;
    this.priority = model.priority ?? 0;
    this.backup = model.backup ?? false;
    this.requestsMax = own.requests ?? Number.POSITIVE_INFINITY;
    this.connectionsMax = own.connections ?? limits.upstreamConnections;
    this.connectingMax = own.pending ?? Number.POSITIVE_INFINITY;
    this.#idleMax = limits.upstreamIdle;
  }

  /** True if its own checks and answers are good, and nobody drains it. */
  get available(): boolean {
    return this.up && !this.ejected && !this.barred && !this.draining;
  }

  get idle(): number {
    return this.#idle.length;
  }

  /** False when only waiting would help: all allowed connections are in use, or enough are being opened. */
  get hasRoom(): boolean {
    if (this.#idle.length > 0 || this.spare > 0) return true;
    return this.connections < this.connectionsMax && this.connecting < this.connectingMax;
  }

  /** The connection that became idle last: the others get the chance to grow old and be closed. */
  takeIdle(): C | undefined {
    return this.#idle.pop();
  }

  /** False if enough are kept already, or none should be; the caller then closes the connection. */
  keepIdle(connection: C): boolean {
    if (this.#idle.length >= this.#idleMax || !this.up || this.draining) return false;
    this.#idle.push(connection);
    return true;
  }

  forgetIdle(connection: C): void {
    const at = this.#idle.lastIndexOf(connection);
    if (at >= 0) this.#idle.splice(at, 1);
  }

  closeIdle(): void {
    for (const connection of this.#idle.splice(0)) connection.destroy();
  }
}
