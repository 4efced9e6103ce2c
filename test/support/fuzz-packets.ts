import { type PacketSpec, packet, subnetData, wireOf } from './packet.js';

/** Longest packet made: more than the data plane takes of a datagram. */
export const FUZZ_PACKET_MAX = 2300;

const NAMES = [
  ...['www', 'all', 'alias', 'many', 'c1', 'loop', 'x.child', 'child', 'a.wild', 'a.b.wild', 'no', 'x.y.z'],
  ...['y.z', '*.wild', 'ns.child', 'x.other', 'WwW', 'some', 'inner', 'a1', 'A2'],
  ...['d1', 'b.d1', 'a.b.D2', 'q.d3', 'c5', `${'y'.repeat(60)}.${'y'.repeat(60)}.${'y'.repeat(60)}.d2`],
].map((name) => `${name}.example.com`);
const OTHER_NAMES = [
  'example.com',
  'example.org',
  '.',
  'version.bind',
  'id.server',
  'x'.repeat(63).concat('.example.com'),
];
const TYPES = [
  1, 1, 1, 28, 28, 2, 5, 6, 15, 16, 16, 33, 39, 43, 46, 64, 65, 255, 252, 251, 250, 249, 41, 0, 65_280,
];
const SUBNETS = [
  subnetData(1, 24, 0, [203, 0, 113]),
  subnetData(1, 32, 0, [192, 0, 2, 77]),
  subnetData(1, 0, 0, []),
  subnetData(2, 56, 0, [0x20, 1, 0xd, 0xb8, 0, 7, 0]),
  subnetData(2, 128, 0, [0x20, 1, 0xd, 0xb8, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
  subnetData(0, 0, 0, []),
  subnetData(1, 33, 0, [1, 2, 3, 4, 5]),
  subnetData(1, 20, 1, [1, 2, 0xff]),
];
const COOKIE = [1, 2, 3, 4, 5, 6, 7, 8];
/** Code and data: client subnet, NSID, cookies (of every length that means something), keepalive, padding, and others. */
const OPTIONS: readonly (readonly [number, readonly number[]])[] = [
  ...SUBNETS.map((data) => [8, data] as const),
  [3, []],
  [3, [1, 2]],
  [10, COOKIE],
  [10, [...COOKIE, ...COOKIE]],
  [10, [...COOKIE, 1, 0, 0, 0, 0x69, 0x1f, 0, 0, ...COOKIE]],
  [10, Array(40).fill(7)],
  [10, [1, 2, 3]],
  [10, Array(41).fill(7)],
  [11, []],
  [11, [0, 100]],
  [12, []],
  [12, Array(64).fill(0)],
  [12, Array(400).fill(0)],
  [9, []],
  [13, wireOf('example.com') as unknown as readonly number[]],
  [14, [0x4f, 0x66]],
  [15, [0, 0]],
  [65_001, [1, 2, 3]],
  [65_535, []],
].map(([code, data]) => [code as number, [...(data as readonly number[])]]);
const FLAGS = [0, 0, 0, 0x100, 0x100, 0x10, 0x20, 0x40, 0x400, 0x200, 0x7930, 0x8000, 0x2000, 0x2800, 0x7800];
const PAYLOADS = [0, 511, 512, 700, 1232, 1232, 1400, 4096, 65_535];
const BYTES = [0, 1, 2, 12, 0x1f, 0x20, 0x3f, 0x40, 0x41, 0x7f, 0x80, 0xbf, 0xc0, 0xc1, 0xfe, 0xff];
const WORDS = [0, 1, 2, 4, 8, 9, 11, 41, 255, 256, 512, 0x7fff, 0x8000, 0xc000, 0xc00c, 0xfffe, 0xffff];
/** Pieces that get inserted anywhere: names, OPT records, options, pointers. */
const PIECES: readonly (readonly number[])[] = [
  ...[...NAMES, ...OTHER_NAMES].map((name) => [...wireOf(name)]),
  ...OPTIONS.map(([code, data]) => [code >> 8, code & 255, data.length >> 8, data.length & 255, ...data]),
  [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0],
  [0, 0, 41, 4, 208, 0, 1, 0x80, 0, 0, 0],
  [0, 0, 41, 0, 0, 0xff, 0, 0xff, 0xff, 0, 4, 0, 3, 0, 0],
  [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 1, 2, 3, 4],
  [0, 0, 250, 0, 255, 0, 0, 0, 0, 0, 0],
  [0xc0, 12],
  [0xff, 0xff],
  [0x40, 1, 2],
  Array(64).fill([1, 97]).flat(),
];

/**
 * Packets for the query path: valid ones of a fixed corpus, changed. The packet of a seed and an index is always
 * the same, so a failure can be had again without those before it.
 */
export class FuzzPackets {
  readonly bytes: Uint8Array = new Uint8Array(FUZZ_PACKET_MAX);
  length = 0;
  readonly #corpus: readonly Uint8Array[];
  readonly #seed: number;
  #state = 1;

  constructor(seed: number) {
    this.#seed = seed;
    this.#state = seed | 0 || 1;
    this.#corpus = Array.from({ length: 1500 }, () => packet(this.#spec()));
  }

  /** Makes packet `index`: `length` bytes of `bytes`, which are used again. */
  make(index: number): void {
    this.#state = (Math.imul(this.#seed + 1, 0x85ebca6b) ^ Math.imul(index + 1, 0x9e3779b1)) | 0 || 1;
    for (let i = 0; i < 4; i++) this.#next();
    if (this.below(32) === 0) return this.#noise();
    const base = this.#corpus[this.below(this.#corpus.length)]!;
    this.bytes.set(base);
    this.length = base.length;
    // A fresh ID, so that answers can be told apart.
    this.bytes[0] = this.below(256);
    this.bytes[1] = this.below(256);
    for (let i = this.below(5); i > 0; i--) this.#mutate();
  }

  /** 0 ≤ n < `limit`, of this packet's own stream. */
  below(limit: number): number {
    return (((this.#next() >>> 0) / 4294967296) * limit) | 0;
  }

  #next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return Math.imul(x, 0x9e3779b1);
  }

  #one<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }

  #spec(): PacketSpec {
    const opts = this.below(10);
    return {
      flags: this.#one(FLAGS),
      name: this.below(8) === 0 ? this.#one(OTHER_NAMES) : this.#one(NAMES),
      type: this.#one(TYPES),
      class: this.#one([1, 1, 1, 1, 1, 1, 3, 4, 254, 255]),
      opts: Array.from({ length: opts < 3 ? 0 : opts < 9 ? 1 : 2 }, () => ({
        payload: this.#one(PAYLOADS),
        version: this.#one([0, 0, 0, 0, 0, 0, 1, 255]),
        flags: this.#one([0, 0, 0x8000, 0xffff]),
        options: Array.from({ length: this.below(4) }, () => this.#one(OPTIONS)),
      })),
    };
  }

  #noise(): void {
    this.length = this.below(this.below(8) === 0 ? FUZZ_PACKET_MAX : 80);
    for (let i = 0; i < this.length; i++) this.bytes[i] = this.below(256);
    if (this.length > 2 && this.below(2) === 0) this.bytes[2] = this.bytes[2]! & 0x01;
  }

  #mutate(): void {
    const { bytes } = this;
    if (this.length < 2) return;
    const at = this.below(this.length);
    switch (this.below(12)) {
      case 0:
      case 1:
        bytes[at] = bytes[at]! ^ (1 << this.below(8));
        return;
      case 2:
        bytes[at] = this.#one(BYTES);
        return;
      case 3:
        return this.#word(at, this.#one(WORDS));
      case 4:
        this.length = at;
        return;
      case 5:
        return this.#splice(at, this.#corpus[this.below(this.#corpus.length)]!);
      case 6:
        return this.#insert(at, this.#one(PIECES));
      case 7:
        return this.#insert(this.length, this.#one(PIECES));
      case 8:
        return this.#word(at, 0xc000 | this.below(this.length));
      case 9:
        return this.#word(4 + 2 * this.below(4), this.below(4) === 0 ? this.#one(WORDS) : this.below(4));
      case 10:
        return this.#appendOpts();
      default:
        return this.#repeat(at);
    }
  }

  #word(at: number, value: number): void {
    if (at + 2 > this.length) return;
    this.bytes[at] = value >> 8;
    this.bytes[at + 1] = value & 0xff;
  }

  /** From `at` on, the end of another packet. */
  #splice(at: number, other: Uint8Array): void {
    const from = this.below(other.length);
    const length = Math.min(other.length - from, FUZZ_PACKET_MAX - at);
    for (let i = 0; i < length; i++) this.bytes[at + i] = other[from + i]!;
    this.length = at + length;
  }

  #insert(at: number, piece: readonly number[]): void {
    if (this.length + piece.length > FUZZ_PACKET_MAX) return;
    this.bytes.copyWithin(at + piece.length, at, this.length);
    for (let i = 0; i < piece.length; i++) this.bytes[at + i] = piece[i]!;
    this.length += piece.length;
  }

  /** Well-formed records behind the end, counted in ARCOUNT: one OPT, or more than there may be. */
  #appendOpts(): void {
    const { bytes } = this;
    if (this.length < 12) return;
    for (let i = this.below(4) === 0 ? this.below(12) : 1; i > 0; i--) {
      const [code, data] = this.#one(OPTIONS);
      const options = [code >> 8, code & 255, data.length >> 8, data.length & 255, ...data];
      const payload = this.#one(PAYLOADS);
      const size = [options.length >> 8, options.length & 255];
      this.#insert(this.length, [0, 0, 41, payload >> 8, payload & 255, 0, 0, 0, 0, ...size, ...options]);
      bytes[11] = bytes[11]! + 1;
    }
  }

  /** A piece of the packet once more. */
  #repeat(at: number): void {
    const length = Math.min(1 + this.below(40), this.length - at, FUZZ_PACKET_MAX - this.length);
    this.bytes.copyWithin(at + length, at, this.length);
    this.length += length;
  }
}
