import { connect, type Socket } from 'node:net';
import type { ProxyTimeouts } from '../../core/balance/model.js';
import { abort } from '../abort.js';
import type { ListenerCounters } from '../counters.js';
import type { Deadlines, Timed } from '../deadlines.js';
import { Tunnel } from '../tunnel.js';
import type { UpstreamEndpoint } from '../upstream-endpoint.js';
import type { UpstreamPool } from '../upstream-pool.js';

const ENDPOINTS_TRIED_MAX = 3;

export interface SessionModules {
  readonly pool: UpstreamPool;
  readonly timeouts: ProxyTimeouts;
  readonly deadlines: Deadlines;
  readonly counters: ListenerCounters;
  readonly onClosed: (session: TcpSession) => void;
}

/**
 * One TCP connection of a client: finds an endpoint that accepts, then joins the two. Nothing is read from the
 * client before that, so a failed endpoint costs no byte and the next one can be tried.
 */
export class TcpSession implements Timed {
  deadlineMs = Number.POSITIVE_INFINITY;
  readonly #client: Socket;
  readonly #modules: SessionModules;
  readonly #tried: number[] = [];
  #upstream: Socket | null = null;
  #tunnel: Tunnel | null = null;

  /** `client` must be paused (`pauseOnConnect`). */
  constructor(client: Socket, modules: SessionModules) {
    this.#client = client;
    this.#modules = modules;
    client.on('error', () => {});
    client.on('close', () => {
      this.#modules.deadlines.delete(this);
      if (this.#tunnel === null) this.#upstream?.destroy();
      this.#modules.onClosed(this);
    });
    modules.deadlines.add(this);
    this.#tryNext();
  }

  /** The endpoint at hand doesn't accept in time. */
  onDeadline(): void {
    this.#upstream?.destroy(new Error('connect timeout'));
  }

  destroy(): void {
    this.#upstream?.destroy();
    this.#client.destroy();
  }

  #tryNext(): void {
    const { pool, deadlines, timeouts } = this.#modules;
    const endpoint = this.#tried.length < ENDPOINTS_TRIED_MAX ? pool.pick(this.#tried) : 'all_tried';
    if (typeof endpoint === 'string') {
      abort(this.#client);
      return;
    }
    this.#tried.push(endpoint.index);
    this.deadlineMs = deadlines.nowMs + timeouts.connectMs;
    this.#connect(endpoint);
  }

  #connect(endpoint: UpstreamEndpoint): void {
    const { pool } = this.#modules;
    const socket = connect({ ...endpoint.address, allowHalfOpen: true, noDelay: true });
    this.#upstream = socket;
    endpoint.connections++;
    pool.enter(endpoint);
    let connected = false;
    socket.once('connect', () => {
      connected = true;
      this.#join(socket);
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      endpoint.connections--;
      pool.leave(endpoint);
      if (connected || this.#client.destroyed) return;
      endpoint.connectFailures++;
      this.#tryNext();
    });
  }

  #join(upstream: Socket): void {
    const { deadlines, timeouts, counters } = this.#modules;
    this.deadlineMs = Number.POSITIVE_INFINITY;
    deadlines.delete(this);
    this.#tunnel = new Tunnel(
      { client: this.#client, upstream },
      { idleMs: timeouts.tunnelIdleMs, counters },
      { deadlines, onClose: () => {} },
    );
  }
}
