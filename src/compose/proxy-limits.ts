import { createHash, createHmac, randomBytes } from 'node:crypto';
import { formatAddress, type ProxyModel } from '../core/balance/model.js';
import { EMPTY_LOCATIONS, type LocationTrie } from '../core/geo/location.js';
import type { GeoTrie } from '../core/geo/trie.js';
import { asksWhere, compileAccess } from '../core/limit/access-trie.js';
import { accessListsIn } from '../core/limit/limit-identity.js';
import type { AccessListModel } from '../core/limit/limit-model.js';
import { REGION_CODE_BYTES } from '../core/limit/region-message.js';
import { LimitStore, SWEEP_MS } from '../proxy/limit/limit-store.js';
import { RegionExchange } from '../proxy/limit/region-exchange.js';
import { RegionSocket } from '../proxy/limit/region-socket.js';
import type { ListenFailure } from '../proxy/listening.js';
import type { ProxyLog, Timers } from '../proxy/modules.js';
import { EMBEDDED, type GeoWatch, openGeoDatabase, watchGeoDatabase } from '../sources/geo-database.js';
import { readPrivateFile } from '../sources/private-file.js';

export interface ProxyLimitsModules {
  readonly log: ProxyLog;
  readonly timers: Timers;
  /** Another proxy still has the same addresses, and ends soon. */
  readonly replaces?: boolean;
}

const SECRET_CHARACTERS_MIN = 32;
const SECRET_BYTES_MAX = 4_096;
const LISTEN_RETRY_MS = 200;

/** Limits and lists of one proxy: the memory of all threads, the databases of lists, and the other proxies of the region. */
export class ProxyLimits {
  readonly store: LimitStore;
  readonly #modules: ProxyLimitsModules;
  readonly #exchange: RegionExchange | null;
  readonly #socket: RegionSocket | null;
  #model: ProxyModel;
  #tries: ReadonlyMap<string, { readonly list: string; readonly trie: GeoTrie }> = new Map();
  #locations: LocationTrie | null = null;
  /** The databases that are read now. */
  #paths = '';
  #watch: GeoWatch | null = null;
  #sweeps: NodeJS.Timeout | null = null;
  #onChange: () => void = () => {};
  #closed = false;
  readonly #builds = new BuildNumbers();

  /** Opens the address where the others tell what they use, and reads databases where lists need them. */
  static async open(model: ProxyModel, modules: ProxyLimitsModules): Promise<ProxyLimits | ListenFailure> {
    const { peers } = model;
    const secret = peers === undefined ? '' : await readSecret(peers.secretFile);
    if (typeof secret !== 'string') return secret;
    const limits = new ProxyLimits(model, secret, modules);
    const failure = await limits.#listen();
    if (failure !== null) return failure;
    await limits.use(model);
    return limits;
  }

  private constructor(model: ProxyModel, secret: string, modules: ProxyLimitsModules) {
    const { peers } = model;
    this.#modules = modules;
    this.#model = model;
    this.store = new LimitStore({
      key: peers === undefined ? randomKey() : keyOf(secret),
      tells: peers !== undefined,
      clock: () => Number(process.hrtime.bigint()) / 1e6,
    });
    if (peers === undefined) {
      this.#exchange = null;
      this.#socket = null;
      return;
    }
    const names = peers.addresses.map(formatAddress);
    const socket = new RegionSocket(peers.listen, peers.addresses, (name, bytes) =>
      this.#exchange?.receive(name, bytes),
    );
    this.#socket = socket;
    this.#exchange = new RegionExchange(formatAddress(peers.listen), names, {
      limits: this.store,
      authenticate: (message) => hmac(secret, message),
      send: (name, message) => socket.send(name, message),
      ...{ timers: modules.timers, random: Math.random, wallMs: Date.now },
    });
  }

  /** The limits and lists of another configuration, for the plans that workers get from now on. */
  async use(model: ProxyModel): Promise<void> {
    this.#model = model;
    await this.#openDatabases();
    this.#compile();
  }

  /** `onChange`: lists are other ones, since a database is. */
  start(onChange: () => void): void {
    this.#onChange = onChange;
    this.#exchange?.start();
    this.#sweeps = setInterval(() => this.store.sweep(), SWEEP_MS).unref();
  }

  get exchange(): RegionExchange | null {
    return this.#exchange;
  }

  close(): void {
    this.#closed = true;
    if (this.#sweeps !== null) clearInterval(this.#sweeps);
    this.#watch?.close();
    this.#exchange?.close();
    this.#socket?.close();
  }

  /** The predecessor has the address until it has ended. */
  async #listen(): Promise<ListenFailure | null> {
    const failure = (await this.#socket?.open()) ?? null;
    const { replaces, timers } = this.#modules;
    if (failure?.code !== 'address_in_use' || replaces !== true) return failure;
    timers.set(() => {
      if (!this.#closed) void this.#listen();
    }, LISTEN_RETRY_MS);
    return null;
  }

  async #openDatabases(): Promise<void> {
    const needed = accessListsIn(this.#model).some(asksWhere);
    const paths = needed ? (this.#model.geo ?? [EMBEDDED]) : [];
    if (paths.join('\n') === this.#paths) return;
    this.#paths = paths.join('\n');
    this.#watch?.close();
    this.#watch = null;
    this.#locations = null;
    if (paths.length === 0) return;
    const { database, problems } = await openGeoDatabase(paths, { nowMs: Date.now });
    this.#locations = database.trie;
    for (const { path, message } of problems) this.#modules.log.error({ path }, message);
    this.#warnOfGaps();
    this.#watch = watchGeoDatabase(
      {
        paths,
        onChange: (changed) => {
          this.#locations = changed.trie;
          this.#compile();
          this.#onChange();
          this.#modules.log.info({ paths }, 'the lists of clients go by another database');
        },
        onError: ({ path, message }) => this.#modules.log.error({ path }, message),
      },
      { nowMs: Date.now },
    );
  }

  /** A list of networks that no database knows would never be noticed. */
  #warnOfGaps(): void {
    const lists = accessListsIn(this.#model).filter(
      ({ allow, deny }) => allow.asns.length + deny.asns.length > 0,
    );
    if (lists.length === 0 || this.#locations?.locations.some(({ asn }) => asn !== undefined)) return;
    const facts = { lists: lists.map(({ name }) => name) };
    this.#modules.log.warn(
      facts,
      'lists by autonomous system take nobody: no database in geo.databases has these',
    );
  }

  /** Only what changed is compiled again: a trie of all countries takes a while. */
  #compile(): void {
    const locations = this.#locations ?? EMPTY_LOCATIONS;
    const build = this.#builds.of(locations);
    const tries = new Map(
      accessListsIn(this.#model).map((list) => {
        const text = `${build} ${describe(list)}`;
        const known = this.#tries.get(list.name);
        const isSame = known !== undefined && known.list === text;
        return [list.name, isSame ? known : { list: text, trie: compileAccess(list, locations) }] as const;
      }),
    );
    this.#tries = tries;
    this.store.use(this.#model, new Map([...tries].map(([name, { trie }]) => [name, trie])));
  }
}

/** Tells databases apart. */
class BuildNumbers {
  readonly #numbers = new WeakMap<LocationTrie, number>();
  #next = 0;

  of(locations: LocationTrie): number {
    const number = this.#numbers.get(locations) ?? this.#next++;
    this.#numbers.set(locations, number);
    return number;
  }
}

function describe({ allow, deny }: AccessListModel): string {
  const sides = [allow, deny].map(({ prefixes, countries, asns }) => {
    return [prefixes.map(({ bytes, length }) => `${bytes.join('.')}/${length}`), countries, asns];
  });
  return JSON.stringify(sides);
}

async function readSecret(file: string): Promise<string | ListenFailure> {
  const read = await readPrivateFile(file, SECRET_BYTES_MAX);
  const failed = (why: string): ListenFailure => {
    const message = `${file}: ${why}: change peers.secret_file`;
    return { code: 'listen_failed', address: '', key: 'peers.secret_file', message };
  };
  if ('problems' in read) return failed(read.problems[0]?.message ?? 'cannot be read');
  const secret = read.text.trim();
  // The text itself is a secret and stays out of the message.
  return secret.length >= SECRET_CHARACTERS_MIN
    ? secret
    : failed(`must hold at least ${SECRET_CHARACTERS_MIN} characters`);
}

function hmac(secret: string, message: Uint8Array): Uint8Array {
  return createHmac('sha256', secret).update(message).digest().subarray(0, REGION_CODE_BYTES);
}

function keyOf(secret: string): readonly [number, number] {
  return wordsOf(createHash('sha256').update('keys of limits\0').update(secret).digest());
}

function randomKey(): readonly [number, number] {
  return wordsOf(randomBytes(8));
}

function wordsOf(bytes: Buffer): readonly [number, number] {
  return [bytes.readInt32BE(0), bytes.readInt32BE(4)];
}
