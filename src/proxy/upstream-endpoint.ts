import { type Address, type EndpointModel, formatAddress, type ProxyLimits } from '../core/balance/model.js';

/** An open connection that nobody uses at the moment. */
export interface IdleConnection {
  destroy(): void;
}

/** One endpoint of a pool: its health, its counters, and its idle connections. */
export class UpstreamEndpoint<C extends IdleConnection = IdleConnection> {
  readonly index: number;
  readonly address: Address;
  /** `127.0.0.1:9000`. */
  readonly name: string;
  readonly weight: number;
  /** Up until a check says otherwise. */
  up = true;
  detail = '';
  /** All connections to the endpoint: connecting, in use and idle. */
  connections = 0;
  connectFailures = 0;
  readonly #limits: ProxyLimits;
  readonly #idle: C[] = [];

  constructor(index: number, model: EndpointModel, limits: ProxyLimits) {
    this.index = index;
    this.address = model.address;
    this.name = formatAddress(model.address);
    this.weight = model.weight;
    this.#limits = limits;
  }

  get idle(): number {
    return this.#idle.length;
  }

  /** False when only waiting would help: all allowed connections are in use. */
  get hasRoom(): boolean {
    return this.#idle.length > 0 || this.connections < this.#limits.upstreamConnections;
  }

  /** The connection that became idle last: the others get the chance to grow old and be closed. */
  takeIdle(): C | undefined {
    return this.#idle.pop();
  }

  /** False if enough are kept already; the caller then closes the connection. */
  keepIdle(connection: C): boolean {
    if (this.#idle.length >= this.#limits.upstreamIdle || !this.up) return false;
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
