import type { Candidate, PickContext, Picker } from './picker.js';
import { drawPosition, weightTable } from './weight-table.js';

/** Any endpoint, with a probability of its weight. */
export function random(candidates: readonly Candidate[]): Picker {
  const table = weightTable(candidates);
  return {
    pick(context: PickContext): number {
      const position = drawPosition(table, context, context.draw, -1);
      return position < 0 ? -1 : table.indexes[position]!;
    },
  };
}
