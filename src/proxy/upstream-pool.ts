import type { PoolModel, ProxyLimits } from '../core/balance/model.js';
import { createPicker, type PickContext, type Picker } from '../core/balance/picker.js';
import type { HealthChecker } from './health-checker.js';
import { type IdleConnection, UpstreamEndpoint } from './upstream-endpoint.js';

/** Why no endpoint could be picked. */
export type PickFailure = 'none_up' | 'all_tried' | 'no_room';

/** The endpoints of one pool with their health, behind one `pick`. */
export class UpstreamPool<C extends IdleConnection = IdleConnection> {
  readonly model: PoolModel;
  readonly endpoints: readonly UpstreamEndpoint<C>[];
  readonly #active: Int32Array;
  readonly #context: PickContext;
  readonly #onChange: (pool: string, endpoint: string, up: boolean, detail: string) => void;
  #picker: Picker;
  #checker: HealthChecker | null = null;

  constructor(
    model: PoolModel,
    limits: ProxyLimits,
    onChange: (pool: string, endpoint: string, up: boolean, detail: string) => void,
  ) {
    this.model = model;
    this.endpoints = model.endpoints.map((endpoint, i) => new UpstreamEndpoint<C>(i, endpoint, limits));
    this.#active = new Int32Array(this.endpoints.length);
    this.#context = { turn: 0, active: this.#active, tried: [] };
    this.#onChange = onChange;
    this.#picker = this.#newPicker();
  }

  get name(): string {
    return this.model.name;
  }

  get healthy(): number {
    return this.endpoints.reduce((count, { up }) => count + (up ? 1 : 0), 0);
  }

  /** Exchanges and sessions in progress at an endpoint. */
  activeOf(index: number): number {
    return this.#active[index] ?? 0;
  }

  /** Begins the active checks, if the pool has any. */
  start(checker: HealthChecker): void {
    const { health } = this.model;
    if (health === undefined) return;
    this.#checker = checker;
    for (const endpoint of this.endpoints) {
      const { host, port } = endpoint.address;
      const address = { host, port: health.port ?? port };
      checker.watch(this.#key(endpoint), address, health, (up, detail) => this.#judge(endpoint, up, detail));
    }
  }

  /**
   * The next endpoint that is up, has room and isn't among `tried` (indexes). The caller counts it with
   * `enter` and `leave` for as long as it uses it.
   */
  pick(tried: readonly number[]): UpstreamEndpoint<C> | PickFailure {
    const context = this.#context;
    context.turn = (context.turn + 1) >>> 0;
    context.tried = tried;
    for (let i = 0; i < this.endpoints.length; i++) {
      const endpoint = this.endpoints[this.#picker.pick(context)];
      if (endpoint === undefined) break;
      if (endpoint.hasRoom) return endpoint;
      context.tried = [...context.tried, endpoint.index];
    }
    if (this.healthy === 0) return 'none_up';
    return context.tried.length > tried.length ? 'no_room' : 'all_tried';
  }

  enter(endpoint: UpstreamEndpoint<C>): void {
    this.#active[endpoint.index]!++;
  }

  leave(endpoint: UpstreamEndpoint<C>): void {
    this.#active[endpoint.index]!--;
  }

  close(): void {
    for (const endpoint of this.endpoints) {
      this.#checker?.unwatch(this.#key(endpoint));
      endpoint.closeIdle();
    }
  }

  #key(endpoint: UpstreamEndpoint<C>): string {
    return `${this.name}/${endpoint.name}`;
  }

  #judge(endpoint: UpstreamEndpoint<C>, up: boolean, detail: string): void {
    const changed = endpoint.up !== up;
    endpoint.up = up;
    endpoint.detail = detail;
    if (!changed) return;
    // A connection to a dead endpoint may hang instead of failing: don't hand it to the next request.
    if (!up) endpoint.closeIdle();
    this.#picker = this.#newPicker();
    this.#onChange(this.name, endpoint.name, up, detail);
  }

  #newPicker(): Picker {
    return createPicker(
      this.model.balance,
      this.endpoints.filter(({ up }) => up),
    );
  }
}
