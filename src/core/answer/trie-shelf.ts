import type { GeoTrie } from '../geo/trie.js';
import type { TrieCache } from './compile-steering.js';

/** The tries of a snapshot under numbers that stay theirs while a zone uses them; and a cache of them by what they are made from. */
export class TrieShelf {
  readonly cache: TrieCache;
  #tries: (GeoTrie | undefined)[] = [];

  constructor(cache: TrieCache) {
    this.cache = { rules: new Map(cache.rules), nearest: new Map(cache.nearest) };
  }

  numberOf(trie: GeoTrie): number {
    const known = this.#tries.indexOf(trie);
    if (known >= 0) return known;
    const free = this.#tries.indexOf(undefined);
    if (free < 0) return this.#tries.push(trie) - 1;
    this.#tries[free] = trie;
    return free;
  }

  /** Keeps what was made for a zone, for others that ask for the same. */
  keep({ rules, nearest }: TrieCache): void {
    for (const [key, trie] of rules) this.cache.rules.set(key, trie);
    for (const [key, trie] of nearest) this.cache.nearest.set(key, trie);
  }

  /** Forgets tries that none of these has. */
  use(users: Iterable<{ readonly tries: ReadonlySet<GeoTrie> }>): void {
    const used = new Set<GeoTrie>();
    for (const { tries } of users) if (tries.size > 0) for (const trie of tries) used.add(trie);
    this.#tries = this.#tries.map((trie) => (trie && used.has(trie) ? trie : undefined));
    while (this.#tries.length > 0 && this.#tries.at(-1) === undefined) this.#tries.pop();
    const { rules, nearest } = this.cache;
    for (const [key, trie] of rules) if (!used.has(trie)) rules.delete(key);
    for (const [key, { trie }] of nearest) if (!used.has(trie)) nearest.delete(key);
  }

  /** By their numbers; a number that is free has some trie, for which nothing asks. */
  get list(): readonly GeoTrie[] {
    const filler = this.#tries.find((trie) => trie !== undefined);
    return this.#tries.flatMap((trie) => trie ?? filler ?? []);
  }
}
