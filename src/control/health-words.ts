import type { Verdict } from '../core/health/quorum.js';
import {
  createHealthTable,
  healthTableBytes,
  packHealth,
  SHARE_FULL,
  TTL_UNBOUNDED,
} from '../core/health/word.js';
import { HealthSlots } from './health-slots.js';

/** What a target's word says. */
export interface Standing {
  readonly verdict: Verdict;
  /** In what time the verdict could change. */
  readonly flipMs: number;
  /** What part of its weight the target takes, in 256ths. */
  readonly share: number;
}

/** The table of health words that the workers read, and whose word stands where. A change is one atomic store. */
export class HealthWords {
  readonly table: Int32Array;
  readonly #capacity: number;
  readonly #slots: HealthSlots;
  /** Targets that take part of their weight. */
  readonly #ramping = new Set<string>();

  /** `capacity`: words beside the reserved ones. */
  constructor(capacity: number) {
    this.#capacity = capacity;
    this.#slots = new HealthSlots(capacity);
    this.table = createHealthTable(new SharedArrayBuffer(healthTableBytes(capacity)), capacity);
  }

  /** Gives each key a slot; those that had none before. Undefined if there are more than fit: then nothing is changed. */
  take(keys: Iterable<string>): readonly string[] | undefined {
    const fresh = [...keys].filter((key) => this.#slots.slotOf(key) === undefined);
    if (this.#slots.size + fresh.length > this.#capacity) return undefined;
    for (const key of fresh) this.#slots.take(key);
    return fresh;
  }

  /** Takes back the slots of all other keys. */
  retain(wanted: ReadonlySet<string>): void {
    this.#slots.retain(wanted);
  }

  slotOf(key: string): number | undefined {
    return this.#slots.slotOf(key);
  }

  keyOf(slot: number): string | undefined {
    return this.#slots.keyOf(slot);
  }

  /** Keys whose words change with time alone. */
  get ramping(): Iterable<string> {
    return this.#ramping;
  }

  /** Writes the word of a target; one that is no longer watched keeps what it had. */
  store(key: string, standing: Standing | undefined): void {
    if (!standing || standing.share >= SHARE_FULL) this.#ramping.delete(key);
    else this.#ramping.add(key);
    if (!standing) return;
    const { verdict, flipMs, share } = standing;
    const word = packHealth({
      down: verdict.state === 'down',
      forced: false,
      unknown: verdict.basis === 'held',
      ttlSeconds: flipMs / 1000,
      share,
    });
    this.#write(key, word);
  }

  /** Writes the word of a pool that sheds: what it keeps of its answers, in 256ths. */
  storePool(key: string, kept: number): void {
    const word = packHealth({ down: false, forced: false, unknown: false, ttlSeconds: 0, share: kept });
    this.#write(key, word | TTL_UNBOUNDED);
  }

  #write(key: string, word: number): void {
    const slot = this.#slots.slotOf(key);
    if (slot !== undefined && this.table[slot] !== word) Atomics.store(this.table, slot, word);
  }
}
