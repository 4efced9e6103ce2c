/** Divides the address space by a set of prefixes, so that all addresses of one cell and one location are alike. */
import type { Prefix } from '../zone/model.js';
import { covers, type Ground, type Patch, type Patches, patchesUnder } from './ground.js';

/** The addresses of a prefix that lie in no longer one of the set; without a prefix, those in none of them. */
export interface Cell {
  readonly prefix?: Prefix;
  readonly patches: Iterable<Patch>;
}

/** Remembers what lies under a prefix: the same ones stand in the rules of many records. */
export class CellSurvey {
  readonly #ground: Ground;
  readonly #under = new Map<string, Patches>();

  constructor(ground: Ground) {
    this.#ground = ground;
  }

  /** The cells of one family. Equal prefixes count once. */
  cells(family: 'v4' | 'v6', prefixes: readonly Prefix[]): readonly Cell[] {
    const bytes = family === 'v4' ? 4 : 16;
    const distinct = new Map(
      prefixes.filter((prefix) => prefix.bytes.length === bytes).map((prefix) => [keyOf(prefix), prefix]),
    );
    if (distinct.size === 0) return [{ patches: this.#ground[family].values() }];
    const sorted = [...distinct.values()].sort((a, b) => a.length - b.length);
    const children = new Map<Prefix | undefined, Prefix[]>();
    const inOrder = sorted.toSorted(compareStarts);
    const open: Prefix[] = [];
    // In the order of addresses, a prefix comes behind the ones around it and before what follows those.
    for (const prefix of inOrder) {
      while (open.length > 0 && !covers(open.at(-1)!, prefix.bytes)) open.pop();
      const parent = open.at(-1);
      const siblings = children.get(parent);
      if (siblings) siblings.push(prefix);
      else children.set(parent, [prefix]);
      open.push(prefix);
    }
    const rest = { patches: this.#without(this.#ground[family], children.get(undefined) ?? []) };
    return [
      rest,
      ...sorted.map((prefix) => ({
        prefix,
        patches: this.#without(this.#patchesOf(prefix), children.get(prefix) ?? []),
      })),
    ];
  }

  #patchesOf(prefix: Prefix): Patches {
    const key = keyOf(prefix);
    const known = this.#under.get(key);
    if (known) return known;
    const patches = patchesUnder(this.#ground.trie, prefix);
    this.#under.set(key, patches);
    return patches;
  }

  /** What is left when some of it is taken out. */
  #without(patches: Patches, holes: readonly Prefix[]): Iterable<Patch> {
    if (holes.length === 0) return patches.values();
    const taken = new Map<number, number>();
    for (const hole of holes) {
      for (const { location, count } of this.#patchesOf(hole).values()) {
        taken.set(location, (taken.get(location) ?? 0) + count);
      }
    }
    return rest(patches, taken, holes);
  }
}

/** Most patches have nothing taken from them, and are passed on as they are. */
function* rest(
  patches: Patches,
  taken: ReadonlyMap<number, number>,
  holes: readonly Prefix[],
): Generator<Patch> {
  for (const patch of patches.values()) {
    const { location, count, samples } = patch;
    const gone = taken.get(location);
    if (gone === undefined) {
      yield patch;
      continue;
    }
    // Networks of less than a /48 are fractions, which do not add up to the last bit.
    const remains = count - gone;
    if (remains <= count * 1e-12) continue;
    const left = samples.filter((address) => !holes.some((hole) => covers(hole, address)));
    yield { location, count: remains, samples: left };
  }
}

function keyOf({ bytes, length }: Prefix): string {
  return `${bytes.join('.')}/${length}`;
}

function compareStarts(a: Prefix, b: Prefix): number {
  for (let i = 0; i < a.bytes.length; i++) {
    if (a.bytes[i] !== b.bytes[i]) return a.bytes[i]! - b.bytes[i]!;
  }
  return a.length - b.length;
}
