import type { UpstreamProtocol } from '../../core/balance/model.js';
import { PortableClientTls } from '../../io/portable/tls.js';
import { NO_SLOT } from '../../io/roster.js';
import type { Timed } from '../deadlines.js';
import type { PoolTlsOptions } from '../tls.js';
import { Http1Upstream, type UpstreamModules } from './http1-upstream.js';
import { Http2Upstream } from './http2-upstream.js';
import type { CalledEndpoint, UpstreamCall, UpstreamListener, UpstreamRequest } from './upstream.js';

const SWEEP_MS = 1_000;
/** For `h2` where the pool says nothing of TLS. */
const SYSTEM_TLS: PoolTlsOptions = { verify: true, ca: null, serverName: null, certificate: null };

/** The connections of one thread to endpoints of all pools, by protocol. */
export class Upstreams implements Timed {
  deadlineSlot = NO_SLOT;
  deadlineMs: number;
  readonly #modules: UpstreamModules;
  readonly #http1: Http1Upstream;
  readonly #http2: Http2Upstream;
  readonly #tlsOf: (pool: string) => PoolTlsOptions | null;
  /** By what a pool wants, then by server name and protocol. New certificates come as new options. */
  readonly #clients = new WeakMap<PoolTlsOptions, Map<string, PortableClientTls>>();

  /** `tlsOf`: how a pool wants TLS; null for none. */
  constructor(modules: UpstreamModules, tlsOf: (pool: string) => PoolTlsOptions | null) {
    this.#modules = modules;
    this.#http1 = new Http1Upstream(modules);
    this.#http2 = new Http2Upstream(modules);
    this.#tlsOf = tlsOf;
    this.deadlineMs = modules.deadlines.nowMs + SWEEP_MS;
    modules.deadlines.add(this);
  }

  /** Null if the endpoint has no room for a call. `fresh`: not on a kept connection of HTTP/1.1. */
  call(
    pool: { readonly name: string; readonly model: { readonly protocol?: UpstreamProtocol } },
    endpoint: CalledEndpoint,
    request: Omit<UpstreamRequest, 'scheme'>,
    listener: UpstreamListener,
    fresh: boolean,
  ): UpstreamCall | null {
    const protocol = pool.model.protocol ?? 'h1';
    const asked = protocol === 'h2c' ? null : this.#tlsOf(pool.name);
    const options = asked ?? (protocol === 'h2' ? SYSTEM_TLS : null);
    const tls = options === null ? null : this.#clientTls(options, endpoint, protocol === 'h1' ? [] : ['h2']);
    const whole = { ...request, scheme: tls === null ? 'http' : 'https' } as const;
    if (protocol === 'h1') return this.#http1.call(endpoint, tls, whole, listener, fresh);
    return this.#http2.call(endpoint, tls, whole, listener);
  }

  /** A connection to a dead endpoint may hang instead of failing: it must not get the next request. */
  onDeadline(): void {
    this.deadlineMs = this.#modules.deadlines.nowMs + SWEEP_MS;
    this.#http1.closeIdle(({ up }) => !up);
    this.#http2.closeIdle(({ up }) => !up);
  }

  #clientTls(options: PoolTlsOptions, endpoint: CalledEndpoint, alpn: readonly string[]): PortableClientTls {
    const serverName = options.serverName ?? endpoint.address.host;
    const key = `${serverName} ${alpn}`;
    const clients = this.#clients.get(options) ?? new Map<string, PortableClientTls>();
    this.#clients.set(options, clients);
    const client = clients.get(key) ?? new PortableClientTls({ ...options, serverName, alpn });
    clients.set(key, client);
    return client;
  }

  close(): void {
    this.#modules.deadlines.delete(this);
    this.#http1.closeIdle(() => true);
    this.#http2.close();
  }
}
