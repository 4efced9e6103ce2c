import {
  DIALS_MAX,
  FORCES_MAX,
  MAINTENANCE_MAX,
  ROLLOUTS_MAX,
  type SteeringDocument,
} from '../core/steering/document.js';
import type { OrderMistake } from './steering-orders.js';

/** Who gives an order, and on which version of the document: its number, several of them, or any. */
export interface OrderContext {
  readonly by: string;
  readonly expected?: readonly number[];
}

/** Why an order was not carried out. Nothing was changed. */
export type OrderRefusal =
  | { readonly code: 'invalid_request'; readonly mistakes: readonly OrderMistake[] }
  | { readonly code: 'no_such_target'; readonly detail: string }
  | { readonly code: 'not_steered'; readonly detail: string }
  | { readonly code: 'too_many'; readonly detail: string }
  /** A rollout can't begin, or is in another state than this needs. */
  | { readonly code: 'rollout_refused'; readonly detail: string }
  | { readonly code: 'conflict'; readonly expected: readonly number[]; readonly revision: number }
  /** The change could not be kept, so it was not made. */
  | { readonly code: 'storage'; readonly reason: string; readonly detail: string };

export interface OrderDone {
  readonly code: 'done';
  readonly revision: number;
  /** False where everything was so already. */
  readonly changed: boolean;
  /** The key of the entry that was set or taken back. */
  readonly id: string;
}

/** What a change gave: the document, or its mistake as a refusal. */
export function refused(result: SteeringDocument | OrderMistake): SteeringDocument | OrderRefusal {
  return 'message' in result ? invalid(result) : result;
}

export function invalid(mistake: OrderMistake): OrderRefusal {
  return { code: 'invalid_request', mistakes: [mistake] };
}

/** A document with more entries than may be kept. */
export function tooMany(document: SteeringDocument): OrderRefusal | undefined {
  const limits = {
    forces: FORCES_MAX,
    dials: DIALS_MAX,
    maintenance: MAINTENANCE_MAX,
    rollouts: ROLLOUTS_MAX,
  };
  for (const kind of ['forces', 'dials', 'maintenance', 'rollouts'] as const) {
    if (Object.keys(document[kind]).length > limits[kind]) {
      return { code: 'too_many', detail: `${kind}: at most ${limits[kind]} entries; take some back` };
    }
  }
  return undefined;
}
