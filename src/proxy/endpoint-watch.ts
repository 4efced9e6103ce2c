import { formatAddress, type HealthCheck, type PoolModel } from '../core/balance/model.js';
import type { HealthChecker } from './health-checker.js';
import type { Verdict } from './protocol.js';

/** One endpoint that is checked. Its index may be another one after a reload. */
interface Watched {
  readonly pool: string;
  readonly check: string;
  index: number;
  last: { readonly up: boolean; readonly detail: string } | null;
  /** Nobody is told yet. */
  silent: boolean;
}

/** The active checks of all pools: they run once for a proxy, not once for each of its threads. */
export class EndpointWatch {
  readonly #checker: HealthChecker;
  readonly #onVerdict: (verdict: Verdict) => void;
  readonly #onPassed: (pool: string, endpoint: number) => void;
  readonly #watched = new Map<string, Watched>();

  /** `onVerdict` gets the first result of each endpoint, and then each change; `onPassed` each good check. */
  constructor(
    pools: readonly PoolModel[],
    checker: HealthChecker,
    onVerdict: (verdict: Verdict) => void,
    onPassed: (pool: string, endpoint: number) => void = () => {},
  ) {
    this.#checker = checker;
    this.#onVerdict = onVerdict;
    this.#onPassed = onPassed;
    this.use(pools);
  }

  /** Begins to check the endpoints of pools that will be used, without telling yet what comes of it. */
  prepare(pools: readonly PoolModel[]): void {
    for (const wanted of wantedOf(pools)) if (!this.#watched.has(wanted.key)) this.#watch(wanted, null, true);
  }

  /** Checks these endpoints from now on, and no others. A check that stays goes on, with what is known by it. */
  use(pools: readonly PoolModel[]): void {
    const keys = new Set<string>();
    for (const wanted of wantedOf(pools)) {
      keys.add(wanted.key);
      const known = this.#watched.get(wanted.key);
      if (known?.check === wanted.check) {
        known.index = wanted.index;
        known.silent = false;
        continue;
      }
      if (known) this.#checker.unwatch(wanted.key);
      this.#watch(wanted, known?.last ?? null, false);
    }
    for (const key of [...this.#watched.keys()]) {
      if (keys.has(key)) continue;
      this.#watched.delete(key);
      this.#checker.unwatch(key);
    }
  }

  /** What is known of each endpoint, by its index of now. */
  get verdicts(): readonly Verdict[] {
    return [...this.#watched.values()].flatMap(({ pool, index, last }) =>
      last === null ? [] : [{ pool, endpoint: index, ...last }],
    );
  }

  /** Resolves when every endpoint has had its first result, or gave up waiting for it. */
  firstRound(): Promise<void> {
    return this.#checker.firstRound();
  }

  close(): void {
    for (const key of this.#watched.keys()) this.#checker.unwatch(key);
    this.#checker.close();
  }

  #watch(
    { key, pool, index, check, target, health, canEject }: Wanted,
    last: Watched['last'],
    silent: boolean,
  ): void {
    const watched: Watched = { pool, check, index, last, silent };
    this.#watched.set(key, watched);
    const onChange = (up: boolean, detail: string): void => {
      watched.last = { up, detail };
      if (!watched.silent) this.#onVerdict({ pool, endpoint: watched.index, up, detail });
    };
    // Only ejections end with a good check.
    const onGood = canEject ? () => this.#onPassed(pool, watched.index) : undefined;
    this.#checker.watch(key, target, health, onChange, onGood);
  }
}

interface Wanted {
  readonly key: string;
  readonly pool: string;
  readonly index: number;
  /** The same for the same check. */
  readonly check: string;
  readonly target: { readonly host: string; readonly port: number };
  readonly health: HealthCheck;
  readonly canEject: boolean;
}

function wantedOf(pools: readonly PoolModel[]): readonly Wanted[] {
  return pools.flatMap(({ name: pool, health, endpoints, outlier }) => {
    if (health === undefined) return [];
    const canEject = outlier !== undefined;
    const check = JSON.stringify([health, canEject]);
    return endpoints.map(({ address }, index) => ({
      key: `${pool}/${formatAddress(address)}`,
      ...{ pool, index, check, health, canEject },
      target: { host: address.host, port: health.port ?? address.port },
    }));
  });
}
