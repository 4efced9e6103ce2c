import type { Candidate, PickContext, Picker } from './picker.js';
import { drawPosition, nextDraw, weightTable } from './weight-table.js';

/**
 * The power of two choices: of two endpoints drawn by weight, the one with less in progress for its weight; the
 * first one if they are equal, so that an idle pool gives each its share. Costs the same however large the pool.
 */
export function twoChoices(candidates: readonly Candidate[]): Picker {
  const table = weightTable(candidates);
  const { indexes, weights } = table;
  return {
    pick(context: PickContext): number {
      const a = drawPosition(table, context, context.draw, -1);
      if (a < 0) return -1;
      const b = drawPosition(table, context, nextDraw(context.draw), a);
      if (b < 0) return indexes[a]!;
      const { active } = context;
      const loadA = active[indexes[a]!]! * weights[b]!;
      const loadB = active[indexes[b]!]! * weights[a]!;
      return indexes[loadB < loadA ? b : a]!;
    },
  };
}
