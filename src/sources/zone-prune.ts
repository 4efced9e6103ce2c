/**
 * Cuts what does not fit the schema out of a file, so that the mistakes of meaning in the rest can be told in the
 * same run. The pruned value is never served.
 */
import type { TSchema } from 'typebox';
import { type Path, type SchemaProblem, schemaProblems } from './schema-problems.js';

/** A cut moves at least one level up, and the deepest place of a zone file has fewer levels than this. */
const ROUNDS_MAX = 12;

/** The rest that fits, and where it was cut; undefined if nothing of use is left. */
export function prune(
  schema: TSchema,
  value: unknown,
  problems: readonly SchemaProblem[],
): { readonly value: unknown; readonly cuts: readonly Path[] } | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const rest: unknown = structuredClone(value);
  const cuts: Path[] = [];
  let current = problems;
  for (let round = 0; round < ROUNDS_MAX; round++) {
    for (const problem of current) {
      // An unknown key means nothing: what it stands in is whole without it.
      if (problem.at === 'key' && problem.path.length > 0) {
        remove(rest, problem.path);
        continue;
      }
      const cut = cutPath(problem.path);
      if (cut.length === 0) return undefined;
      remove(rest, cut);
      cuts.push(cut);
    }
    current = schemaProblems(schema, rest);
    if (current.length === 0) return { value: rest, cuts };
  }
  return undefined;
}

/** Whether `path` is at a cut or below it. */
export function isCut(cuts: readonly Path[], path: Path): boolean {
  return cuts.some((cut) => cut.length <= path.length && cut.every((segment, i) => segment === path[i]));
}

/** Items of a list keep their numbers: the list goes as a whole. */
function cutPath(path: Path): Path {
  const index = path.findIndex((segment) => typeof segment === 'number');
  return index < 0 ? path : path.slice(0, index);
}

function remove(root: unknown, path: Path): void {
  let node = root;
  for (const segment of path.slice(0, -1)) {
    if (!isMap(node) || !Object.hasOwn(node, segment)) return;
    node = node[segment];
  }
  if (isMap(node)) delete node[path.at(-1)!];
}

function isMap(value: unknown): value is Record<string | number, unknown> {
  return typeof value === 'object' && value !== null;
}
