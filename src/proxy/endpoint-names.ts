import type { Timers } from './modules.js';

/** Addresses of an endpoint whose address is a name. */
export interface NameAddresses {
  readonly host: string;
  /** IP addresses in text, in the order in which they should be tried. */
  readonly addresses: readonly string[];
}

export interface NamesModules {
  /** All addresses of a name, as the system knows them (hosts file, resolver); rejects if there are none. */
  readonly lookup: (host: string) => Promise<readonly string[]>;
  readonly timers: Timers;
  /** 0 to 1. */
  readonly random: () => number;
  readonly onAddresses: (found: NameAddresses) => void;
  readonly onFailure: (host: string, message: string) => void;
}

/** How often a name is looked up again. The system's resolver caches by TTL. */
const PERIOD_MS = 10_000;
/** A name that was never resolved. */
const RETRY_MS = 1_000;
/** More are not tried anyway. */
const ADDRESSES_MAX = 16;

/** Looks up the names among the endpoints, again and again. What was found last stays in use when a look-up fails. */
export class EndpointNames {
  readonly #modules: NamesModules;
  readonly #known = new Map<string, string>();
  readonly #pending = new Map<string, unknown>();
  #hosts: ReadonlySet<string> = new Set();

  constructor(modules: NamesModules) {
    this.#modules = modules;
  }

  /** Follows these names from now on, and no others; resolves when each new one was looked up once. */
  async follow(hosts: ReadonlySet<string>): Promise<void> {
    const before = this.#hosts;
    this.#hosts = hosts;
    for (const host of before) if (!hosts.has(host)) this.#forget(host);
    await Promise.all([...hosts].filter((host) => !before.has(host)).map((host) => this.#look(host)));
  }

  close(): void {
    for (const host of this.#hosts) this.#forget(host);
    this.#hosts = new Set();
  }

  async #look(host: string): Promise<void> {
    const { lookup, onAddresses, onFailure } = this.#modules;
    try {
      const addresses = byTurns(await lookup(host)).slice(0, ADDRESSES_MAX);
      if (!this.#hosts.has(host)) return;
      const text = [...addresses].sort().join();
      // Resolvers turn the order round with every answer: only another set is news.
      if (addresses.length > 0 && this.#known.get(host) !== text) {
        this.#known.set(host, text);
        onAddresses({ host, addresses });
      }
    } catch (error) {
      if (!this.#hosts.has(host)) return;
      onFailure(host, error instanceof Error ? error.message : String(error));
    }
    this.#schedule(host);
  }

  #schedule(host: string): void {
    const { timers, random } = this.#modules;
    const periodMs = this.#known.has(host) ? PERIOD_MS : RETRY_MS;
    const delayMs = periodMs * (0.85 + 0.3 * random());
    this.#pending.set(
      host,
      timers.set(() => void this.#look(host), delayMs),
    );
  }

  #forget(host: string): void {
    this.#modules.timers.clear(this.#pending.get(host));
    this.#pending.delete(host);
    this.#known.delete(host);
  }
}

/** The families by turns, the first one's first (RFC 8305 §4): one that does not work costs one attempt, not all. */
function byTurns(addresses: readonly string[]): readonly string[] {
  const isV6 = (address: string): boolean => address.includes(':');
  const first = addresses.filter((address) => isV6(address) === isV6(addresses[0] ?? ''));
  const second = addresses.filter((address) => isV6(address) !== isV6(addresses[0] ?? ''));
  const mixed = first.flatMap((address, i) => [address, ...(second[i] === undefined ? [] : [second[i]])]);
  return [...mixed, ...second.slice(first.length)];
}
