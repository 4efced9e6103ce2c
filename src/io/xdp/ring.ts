import type { Linux } from '../batched/linux.js';
import { FRAMES, type RingPlace } from './queue.js';

/** `XDP_RING_NEED_WAKEUP`. */
const NEED_WAKEUP = 1;
const MASK = FRAMES - 1;
/** 32-bit words of an entry with address, length and options; and of one with an address. */
const DESCRIPTOR_WORDS = 4;
const ADDRESS_WORDS = 2;

/**
 * One of the four rings between this thread and the kernel. Each side moves its own index on, without end, and reads the other's.
 * Frames are offsets in the memory of their queue, below 2^32.
 */
export class Ring {
  readonly #producer: Int32Array;
  readonly #consumer: Int32Array;
  readonly #flags: Int32Array;
  readonly #entries: Uint32Array;
  readonly #words: number;

  constructor(linux: Pick<Linux, 'view'>, place: RingPlace, kind: 'descriptors' | 'addresses') {
    const memory = linux.view(place.address, place.bytes);
    this.#producer = new Int32Array(memory, place.producer, 1);
    this.#consumer = new Int32Array(memory, place.consumer, 1);
    this.#flags = new Int32Array(memory, place.flags, 1);
    this.#words = kind === 'descriptors' ? DESCRIPTOR_WORDS : ADDRESS_WORDS;
    this.#entries = new Uint32Array(memory, place.entries, FRAMES * this.#words);
  }

  get produced(): number {
    return Atomics.load(this.#producer, 0);
  }

  get consumed(): number {
    return Atomics.load(this.#consumer, 0);
  }

  /** Entries that the consumer has not taken yet. */
  get waiting(): number {
    return (this.produced - this.consumed) | 0;
  }

  /** Whether the kernel waits for a system call before it goes on. */
  get needsWakeup(): boolean {
    return (Atomics.load(this.#flags, 0) & NEED_WAKEUP) !== 0;
  }

  produce(index: number): void {
    Atomics.store(this.#producer, 0, index | 0);
  }

  consume(index: number): void {
    Atomics.store(this.#consumer, 0, index | 0);
  }

  frameAt(index: number): number {
    return this.#entries[(index & MASK) * this.#words]!;
  }

  lengthAt(index: number): number {
    return this.#entries[(index & MASK) * this.#words + 2]!;
  }

  /** `length` only where entries have one. */
  put(index: number, frame: number, length = 0): void {
    const at = (index & MASK) * this.#words;
    this.#entries[at] = frame;
    this.#entries[at + 1] = 0;
    if (this.#words !== DESCRIPTOR_WORDS) return;
    this.#entries[at + 2] = length;
    this.#entries[at + 3] = 0;
  }
}
