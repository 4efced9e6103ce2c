/** Gathers single records to RRsets, in the order of their first records. */
import type { StaticRRset } from '../core/zone/model.js';

/** Grows while records come in; a StaticRRset for everybody else. */
interface Growing extends StaticRRset {
  ttl: number;
  readonly rdata: Uint8Array[];
}

/** Above this many values, equal ones are found by a set instead of one by one. */
const SCAN_MAX = 16;

export class RRsetGatherer {
  readonly #sets: Growing[] = [];
  /** Numbers of the first RRset at each name, and of the next one at the same name; -1 at the end. */
  readonly #first = new Map<string, number>();
  readonly #next: number[] = [];
  readonly #files: string[] = [];
  readonly #lines: number[] = [];
  readonly #seen = new Map<number, Set<string>>();
  #last = -1;

  get rrsets(): readonly StaticRRset[] {
    return this.#sets;
  }

  /** Where the first record of an RRset stands. */
  placeOf(index: number): { readonly file: string; readonly line: number } | undefined {
    const file = this.#files[index];
    return file === undefined ? undefined : { file, line: this.#lines[index]! };
  }

  /** A record that is there already counts once, and the smallest TTL is the one of all (RFC 2181 §5, §5.2). */
  add(name: string, type: number, ttl: number, rdata: Uint8Array, file: string, line: number): void {
    const index = this.#find(name, type);
    if (index < 0) return this.#begin({ kind: 'static', name, type, ttl, rdata: [rdata] }, file, line);
    this.#last = index;
    const set = this.#sets[index]!;
    if (ttl < set.ttl) set.ttl = ttl;
    if (!this.#holds(index, set.rdata, rdata)) set.rdata.push(rdata);
  }

  #find(name: string, type: number): number {
    // Records of an RRset mostly follow one another.
    const last = this.#sets[this.#last];
    if (last?.name === name && last.type === type) return this.#last;
    let index = this.#first.get(name) ?? -1;
    while (index >= 0 && this.#sets[index]!.type !== type) index = this.#next[index]!;
    return index;
  }

  #begin(set: Growing, file: string, line: number): void {
    const index = this.#sets.push(set) - 1;
    this.#next.push(this.#first.get(set.name) ?? -1);
    this.#first.set(set.name, index);
    this.#files.push(file);
    this.#lines.push(line);
    this.#last = index;
  }

  #holds(index: number, list: readonly Uint8Array[], rdata: Uint8Array): boolean {
    if (list.length < SCAN_MAX) return list.some((each) => same(each, rdata));
    let seen = this.#seen.get(index);
    if (!seen) {
      seen = new Set(list.map(keyOf));
      this.#seen.set(index, seen);
    }
    const key = keyOf(rdata);
    if (seen.has(key)) return true;
    seen.add(key);
    return false;
  }
}

function keyOf(rdata: Uint8Array): string {
  let key = '';
  for (const byte of rdata) key += String.fromCharCode(byte);
  return key;
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
