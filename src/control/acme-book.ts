import { createHash, timingSafeEqual } from 'node:crypto';
import { Value } from 'typebox/value';
import {
  addChallengeName,
  createChallengeTable,
  removeChallengeName,
  setChallengeValues,
} from '../core/answer/challenge-table.js';
import { isNameError, lowerName, parseName } from '../core/dns/name.js';
import { TokenBucket } from './acme-bucket.js';
import { type AcmeEntry, AcmeEntrySchema, AcmeFileSchema, mergeEntries, newestValues } from './acme-entry.js';

export interface AcmeOptions {
  readonly accountsMax: number;
  /** How long a value is answered. */
  readonly lifetimeMs: number;
}

export interface AcmeModules {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly random: (bytes: number) => Uint8Array;
  readonly newId: () => string;
  /** Stores the text of all accounts; resolves when it would survive a crash. */
  readonly save: (text: string) => Promise<void>;
  readonly log: {
    info(facts: object, message: string): void;
    warn(facts: object, message: string): void;
    error(facts: object, message: string): void;
  };
}

export interface NewAccount {
  /** Where its values are answered: absolute, in lower case. Given its subdomain. */
  readonly nameOf: (subdomain: string) => string;
  readonly allowFrom: readonly string[];
  readonly note: string;
}

export type Registered =
  | { readonly account: AcmeEntry; readonly password: string }
  /** Too many accounts; the name has one already; the disk did not take it. */
  | { readonly code: 'full' | 'taken' | 'not_saved' };

export type UpdateOutcome = 'done' | 'limited' | 'not_saved';

export interface AcmeCounts {
  readonly accounts: number;
  readonly values: number;
  readonly updates: Readonly<Record<UpdateOutcome | 'refused' | 'bad_value' | 'from_node', number>>;
  readonly registrations: Readonly<Record<'done' | 'refused' | 'full' | 'taken' | 'not_saved', number>>;
}

interface Held {
  readonly entry: AcmeEntry;
  /** Counts up with each change made here: what other nodes have not been told yet is above what they have. */
  readonly sequence: number;
  readonly bucket: TokenBucket;
}

/** Passwords of 240 bits in base64url: 40 characters, as clients of acme-dns expect. */
const PASSWORD_BYTES = 30;
const NO_DIGEST = '0'.repeat(64);
const REMEMBER_REMOVED_MS = 30 * 86_400_000;
const UPDATES_BURST = 30;
const UPDATES_PER_SECOND = 0.5;
/** What other nodes say may be ahead of this one's clock. */
const AHEAD_MS_MAX = 60_000;
const LIFETIME_MS_MAX = 86_400_000;

/**
 * The accounts of ACME clients and the values of their challenges. A change is answered when the disk has it, and only
 * then (or when another node says that its disk has it) it can be asked for.
 */
export class AcmeBook {
  readonly table: Int32Array;
  readonly #options: AcmeOptions;
  readonly #modules: AcmeModules;
  readonly #held = new Map<string, Held>();
  /** Names of accounts that were not removed, to their usernames. */
  readonly #names = new Map<string, string>();
  readonly #updates = { done: 0, limited: 0, not_saved: 0, refused: 0, bad_value: 0, from_node: 0 };
  readonly #registrations = { done: 0, refused: 0, full: 0, taken: 0, not_saved: 0 };
  #sequence = 0;
  #running: Promise<void> | undefined;
  #waiting: Promise<void> | undefined;
  #changed: () => void = () => {};

  constructor(options: AcmeOptions, modules: AcmeModules) {
    this.#options = options;
    this.#modules = modules;
    this.table = createChallengeTable(options.accountsMax);
  }

  /** Takes what was stored. False where the text is damaged: nothing of it is taken then. */
  load(text: string): boolean {
    const file = parseJson(text);
    if (!Value.Check(AcmeFileSchema, file)) return false;
    const left = file.accounts.filter((entry) => !this.#put(entry, { isOwn: true }));
    for (const entry of left) this.#hold(entry, { isOwn: true });
    if (left.length > 0) {
      const names = left.slice(0, 10).map(({ name }) => name);
      this.#modules.log.error(
        { accounts: left.length, names },
        'too many ACME accounts: these are kept, not answered',
      );
    }
    return true;
  }

  /** Called whenever there is something to tell to other nodes. */
  onChange(changed: () => void): void {
    this.#changed = changed;
  }

  /** Makes an account. The password is given here and never again. */
  async register({ nameOf, allowFrom, note }: NewAccount): Promise<Registered> {
    const outcome = await this.#register(nameOf, allowFrom, note);
    this.#registrations['code' in outcome ? outcome.code : 'done']++;
    return outcome;
  }

  async #register(
    nameOf: NewAccount['nameOf'],
    allowFrom: readonly string[],
    note: string,
  ): Promise<Registered> {
    const { now, random, newId } = this.#modules;
    const nowMs = now();
    const password = Buffer.from(random(PASSWORD_BYTES)).toString('base64url');
    const subdomain = newId();
    const account: AcmeEntry = {
      username: newId(),
      digest: Buffer.from(digestOf(password)).toString('hex'),
      subdomain,
      name: nameOf(subdomain),
      allow_from: [...allowFrom],
      note,
      created: nowMs,
      changed: nowMs,
      removed: false,
      values: [],
    };
    if (this.#names.has(account.name)) return { code: 'taken' };
    if (this.#names.size >= this.#options.accountsMax) return { code: 'full' };
    if (!this.#put(account, { isOwn: true })) return { code: 'full' };
    if (!(await this.#save())) {
      this.#drop(account.username);
      return { code: 'not_saved' };
    }
    this.#changed();
    return { account, password };
  }

  /** The account of a username and password; takes as long where there is none. */
  authenticate(username: string, password: string): AcmeEntry | undefined {
    const entry = this.#held.get(username)?.entry;
    const digest = Buffer.from(entry?.digest ?? NO_DIGEST, 'hex');
    const isRight = timingSafeEqual(digest, digestOf(password));
    return isRight && entry && !entry.removed ? entry : undefined;
  }

  /** Gives an account's name a value beside the newest that it had. */
  async update({ username }: AcmeEntry, txt: string): Promise<UpdateOutcome> {
    const outcome = await this.#update(username, txt);
    this.#updates[outcome]++;
    return outcome;
  }

  async #update(username: string, txt: string): Promise<UpdateOutcome> {
    const held = this.#held.get(username);
    if (!held || held.entry.removed) return 'not_saved';
    const nowMs = this.#modules.now();
    if (!held.bucket.take(nowMs)) return 'limited';
    const last = Math.max(...held.entry.values.map(({ set }) => set), 0);
    // Two within one millisecond have an order too.
    const value = { txt, set: Math.max(nowMs, last + 1), expires: nowMs + this.#options.lifetimeMs };
    const after = { ...held.entry, values: newestValues([value, ...held.entry.values], nowMs) };
    this.#held.set(username, { ...held, entry: after, sequence: ++this.#sequence });
    if (!(await this.#save())) {
      if (this.#held.get(username)?.entry === after) this.#held.set(username, held);
      return 'not_saved';
    }
    this.#publish(username);
    this.#changed();
    return 'done';
  }

  /** Counts a request that came to nothing. */
  refused(what: 'registration' | 'update' | 'value'): void {
    if (what === 'registration') this.#registrations.refused++;
    else this.#updates[what === 'value' ? 'bad_value' : 'refused']++;
  }

  /** Ends an account. */
  async remove(username: string): Promise<'done' | 'absent' | 'not_saved'> {
    const held = this.#held.get(username);
    if (!held || held.entry.removed) return 'absent';
    const changed = Math.max(this.#modules.now(), held.entry.changed + 1);
    const gone = { ...held.entry, digest: NO_DIGEST, removed: true, changed, values: [] };
    this.#put(gone, { isOwn: true });
    if (!(await this.#save())) {
      this.#put(held.entry, { isOwn: true });
      return 'not_saved';
    }
    this.#changed();
    return 'done';
  }

  /** The accounts that were not removed, by their names. */
  list(): readonly AcmeEntry[] {
    const nowMs = this.#modules.now();
    return [...this.#names.keys()].sort().map((name) => {
      const { entry } = this.#held.get(this.#names.get(name)!)!;
      return { ...entry, values: newestValues(entry.values, nowMs) };
    });
  }

  get(username: string): AcmeEntry | undefined {
    const entry = this.#held.get(username)?.entry;
    return entry?.removed ? undefined : entry;
  }

  get counts(): AcmeCounts {
    const values = this.list().reduce((sum, entry) => sum + entry.values.length, 0);
    return {
      accounts: this.#names.size,
      values,
      updates: { ...this.#updates },
      registrations: { ...this.#registrations },
    };
  }

  /** Up to `max` accounts that changed here after `sequence`, the oldest change first, and the sequence of the last. */
  changesAfter(sequence: number, max: number): { readonly entries: AcmeEntry[]; readonly last: number } {
    const later = [...this.#held.values()]
      .filter((held) => held.sequence > sequence)
      .sort((a, b) => a.sequence - b.sequence)
      .slice(0, max);
    return { entries: later.map(({ entry }) => entry), last: later.at(-1)?.sequence ?? sequence };
  }

  /** Takes what another node knows. Resolves when the disk has it; false where the disk did not take it. */
  async merge(entries: readonly AcmeEntry[]): Promise<boolean> {
    const nowMs = this.#modules.now();
    let isChanged = false;
    for (const entry of entries) if (this.#mergeOne(entry, nowMs)) isChanged = true;
    return !isChanged || this.#save();
  }

  #mergeOne(told: AcmeEntry, nowMs: number): boolean {
    const values = told.values.map(({ txt, set, expires }) => ({
      txt,
      set: set > nowMs + AHEAD_MS_MAX ? nowMs : set,
      expires: Math.min(expires, nowMs + LIFETIME_MS_MAX),
    }));
    const entry = { ...told, values };
    const known = this.#held.get(entry.username)?.entry;
    const merged = known ? mergeEntries(known, entry, nowMs) : entry;
    if (
      known &&
      JSON.stringify(merged) === JSON.stringify({ ...known, values: newestValues(known.values, nowMs) })
    ) {
      return false;
    }
    if (merged.name !== known?.name && !merged.removed && !this.#makeRoom(merged)) return false;
    if (!this.#put(merged, { isOwn: false })) return false;
    if (merged.values.length > 0) this.#updates.from_node++;
    return true;
  }

  /** Of two accounts that two nodes gave one name at once the older stays, on both. */
  #makeRoom({ name, username, created }: AcmeEntry): boolean {
    const other = this.#names.get(name);
    if (other === undefined) return this.#names.size < this.#options.accountsMax;
    const { entry } = this.#held.get(other)!;
    const isOlder = created !== entry.created ? created < entry.created : username < other;
    if (!isOlder) return false;
    this.#modules.log.warn({ name, username: other }, 'another node has an older ACME account of this name');
    this.#put(
      { ...entry, removed: true, digest: NO_DIGEST, values: [], changed: entry.changed + 1 },
      { isOwn: true },
    );
    return true;
  }

  /** Holds an entry in the place of what is held of it. False where the table has no room for its name. */
  #put(entry: AcmeEntry, { isOwn }: { readonly isOwn: boolean }): boolean {
    const { username, name, removed } = entry;
    const wire = wireOf(name);
    if (!wire) return false;
    const wasNamed = this.#names.get(name) === username;
    if (!removed && !wasNamed) {
      if (this.#names.has(name) || !addChallengeName(this.table, wire)) return false;
      this.#names.set(name, username);
    } else if (removed && wasNamed) {
      this.#names.delete(name);
      removeChallengeName(this.table, wire);
    }
    this.#hold(entry, { isOwn });
    this.#publish(username);
    return true;
  }

  #hold(entry: AcmeEntry, { isOwn }: { readonly isOwn: boolean }): void {
    const held = this.#held.get(entry.username);
    const sequence = isOwn ? ++this.#sequence : (held?.sequence ?? 0);
    const bucket = held?.bucket ?? new TokenBucket(UPDATES_BURST, UPDATES_PER_SECOND);
    this.#held.set(entry.username, { entry, sequence, bucket });
  }

  /** As if it had never been. */
  #drop(username: string): void {
    const entry = this.#held.get(username)?.entry;
    if (entry) this.#put({ ...entry, removed: true, values: [] }, { isOwn: true });
    this.#held.delete(username);
  }

  #publish(username: string): void {
    const { removed, name, values } = this.#held.get(username)!.entry;
    const wire = wireOf(name);
    if (removed || !wire) return;
    const texts = values.map(({ txt, expires }) => ({ text: txt, expires: Math.floor(expires / 1000) }));
    setChallengeValues(this.table, wire, texts);
  }

  /** One write at a time: all that changes during one is in the next. False where it failed. */
  async #save(): Promise<boolean> {
    this.#waiting ??= this.#write();
    try {
      await this.#waiting;
      return true;
    } catch (error) {
      this.#modules.log.error({ error: String(error) }, 'the ACME accounts could not be saved');
      return false;
    }
  }

  async #write(): Promise<void> {
    await this.#running?.catch(() => {});
    this.#running = this.#waiting;
    this.#waiting = undefined;
    await this.#modules.save(this.#text());
  }

  #text(): string {
    this.#forget();
    const nowMs = this.#modules.now();
    const accounts = [...this.#held.values()].map(({ entry }) => ({
      ...entry,
      values: newestValues(entry.values, nowMs),
    }));
    return JSON.stringify({ version: 1, accounts });
  }

  /** Removed accounts are remembered for a month, and no more of them than there may be accounts. */
  #forget(): void {
    const before = this.#modules.now() - REMEMBER_REMOVED_MS;
    const removed = [...this.#held.values()].map(({ entry }) => entry).filter((entry) => entry.removed);
    const surplus = removed.length - this.#options.accountsMax;
    removed.sort((a, b) => a.changed - b.changed);
    for (const [i, { username, changed }] of removed.entries()) {
      if (i < surplus || changed < before) this.#held.delete(username);
    }
  }
}

/** Whether what another node sent is an account. */
export function isAcmeEntry(value: unknown): value is AcmeEntry {
  return Value.Check(AcmeEntrySchema, value);
}

function digestOf(password: string): Uint8Array {
  return createHash('sha256').update(password, 'utf8').digest();
}

function wireOf(name: string): Uint8Array | undefined {
  const wire = parseName(name);
  return isNameError(wire) ? undefined : lowerName(wire);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
