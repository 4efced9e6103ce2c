import { mix, NO_KEY } from './hash.js';
import { MAGLEV_SLOTS, maglevTable } from './maglev-table.js';
import type { Candidate, PickContext, Picker } from './picker.js';
import { type WeightTable, weightTable } from './weight-table.js';

/** Slots looked at before the search for room ends at the least loaded endpoint. */
const PROBES_MAX = 1_024;

/**
 * Consistent hashing: a key keeps its endpoint while endpoints come and go. With bounded loads (Mirrokni and
 * others, 2016): an endpoint that has `bound` times its share of the work in progress passes keys on to the next
 * slots of the table, always the same ones. Requests without a key are spread.
 */
export function maglev(candidates: readonly Candidate[], bound: number): Picker {
  if (candidates.length === 0) return { pick: () => -1 };
  const slots = maglevTable(candidates);
  const table = weightTable(candidates);
  const { indexes } = table;
  return {
    pick(context: PickContext): number {
      const { key, draw, excluded } = context;
      let slot = key === NO_KEY ? Math.floor(draw * MAGLEV_SLOTS) : mix(key) % MAGLEV_SLOTS;
      let refused = -1;
      for (let probe = 0; probe < PROBES_MAX; probe++) {
        const position = slots[slot]!;
        if (position !== refused) {
          if (excluded[indexes[position]!] === 0 && hasRoom(table, context, position, bound)) {
            return indexes[position]!;
          }
          refused = position;
        }
        slot = slot + 1 === MAGLEV_SLOTS ? 0 : slot + 1;
      }
      return leastLoaded(table, context);
    },
  };
}

/** True if one more stays within the bound, rounded up: at least one always does. */
function hasRoom(table: WeightTable, { active }: PickContext, position: number, bound: number): boolean {
  const { indexes, weights, length, total } = table;
  const own = active[indexes[position]!]!;
  if (own === 0) return true;
  let all = 1;
  for (let i = 0; i < length; i++) all += active[indexes[i]!]!;
  return own < Math.ceil((bound * all * weights[position]!) / total);
}

function leastLoaded({ indexes, weights, length }: WeightTable, { active, excluded }: PickContext): number {
  let best = -1;
  let bestLoad = Number.POSITIVE_INFINITY;
  for (let i = 0; i < length; i++) {
    const index = indexes[i]!;
    const load = (active[index]! + 1) / weights[i]!;
    if (load >= bestLoad || excluded[index] !== 0) continue;
    best = index;
    bestLoad = load;
  }
  return best;
}
