import type { Compiled, CompileInput } from './build.js';
import { World } from './world.js';

/** Compiles zones into the tables of the query path. */
export function compileSnapshot(input: CompileInput): Compiled {
  const world = new World(input);
  const { snapshot, index, tries } = world;
  return { snapshot, index, tries };
}
