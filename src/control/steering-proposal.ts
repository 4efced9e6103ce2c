/** Steering as somebody thinks of it: orders are tried on a copy, and nothing has an effect. */
import { pruned, type SteeringDocument } from '../core/steering/document.js';
import { formatTarget } from '../core/steering/target.js';
import { type OrderRefusal, tooMany } from './order-outcome.js';
import type { Steering } from './steering.js';
import {
  documentMistakes,
  type OrderMistake,
  readTarget,
  signed,
  withDial,
  withForce,
  withMaintenance,
  without,
} from './steering-orders.js';
import type { DialOrder, ForceOrder, MaintenanceOrder, SentDocument } from './steering-schema.js';

/** A whole document, or orders; null takes an entry back. */
export interface SteeringProposal {
  readonly document?: SentDocument;
  readonly forces?: Readonly<Record<string, ForceOrder | null>>;
  readonly dials?: Readonly<Record<string, DialOrder | null>>;
  readonly maintenance?: Readonly<Record<string, MaintenanceOrder | null>>;
}

export interface ProposedSteering {
  readonly before: SteeringDocument;
  readonly after: SteeringDocument;
  /** The revision that holds what is there. */
  readonly revision: number;
}

/** What orders would make of the document that is held; the first that is refused ends it, as if it had been given. */
export function proposeSteering(
  steering: Steering,
  proposal: SteeringProposal,
  by: string,
): ProposedSteering | OrderRefusal {
  const { nowMs, revision } = steering;
  const ordering = { by, nowMs };
  const before = pruned(steering.document, nowMs);
  let after = proposal.document ? signed(proposal.document, before, ordering) : before;
  for (const step of stepsOf(steering, proposal, ordering)) {
    const next = step(after);
    if ('code' in next) return next;
    after = next;
  }
  const mistakes = documentMistakes(after);
  if (mistakes.length > 0) {
    const at = proposal.document ? 'steering.document' : 'steering';
    return refusal(mistakes, at);
  }
  return tooMany(after) ?? { before, after, revision };
}

type Step = (document: SteeringDocument) => SteeringDocument | OrderRefusal;

function stepsOf(
  steering: Steering,
  { forces = {}, dials = {}, maintenance = {} }: SteeringProposal,
  ordering: { readonly by: string; readonly nowMs: number },
): readonly Step[] {
  const onTarget = <T>(
    kind: 'forces' | 'dials',
    orders: Readonly<Record<string, T | null>>,
    apply: (document: SteeringDocument, target: string, order: T) => SteeringDocument | OrderMistake,
  ): readonly Step[] =>
    Object.entries(orders).map(([text, order]) => (document) => {
      const at = `steering.${kind}.${text}`;
      if (order === null) return takenBack(document, kind, text, at);
      const target = steering.targetOf(text, kind === 'forces' ? 'force' : 'dial');
      if (typeof target !== 'string') {
        return target.code === 'invalid_request' ? refusal(target.mistakes, at) : target;
      }
      return checked(apply(document, target, order), at);
    });
  const windows = Object.entries(maintenance).map(
    ([id, order]): Step =>
      (document) => {
        const at = `steering.maintenance.${id}`;
        if (order === null) return takenBack(document, 'maintenance', id, at);
        const target = steering.targetOf(order.target, 'force');
        if (typeof target !== 'string') {
          return target.code === 'invalid_request' ? refusal(target.mistakes, at) : target;
        }
        return checked(withMaintenance(document, id, order, ordering), at);
      },
  );
  return [
    ...onTarget('forces', forces, (document, target, order) => withForce(document, target, order, ordering)),
    ...onTarget('dials', dials, (document, target, order) => withDial(document, target, order, ordering)),
    ...windows,
  ];
}

/** What a target that is taken back names may be gone long since. */
function takenBack(
  document: SteeringDocument,
  kind: 'forces' | 'dials' | 'maintenance',
  text: string,
  at: string,
): SteeringDocument | OrderRefusal {
  let key = text;
  if (kind !== 'maintenance') {
    const read = readTarget(text);
    if ('message' in read) return refusal([read], at);
    key = formatTarget(read.target);
  }
  return without(document, kind, key) ?? { code: 'not_steered', detail: `${kind} has no entry ${key}` };
}

function checked(result: SteeringDocument | OrderMistake, at: string): SteeringDocument | OrderRefusal {
  return 'message' in result ? refusal([result], at) : result;
}

function refusal(mistakes: readonly OrderMistake[], at: string): OrderRefusal {
  return {
    code: 'invalid_request',
    mistakes: mistakes.map(({ path, message }) => ({ path: path === '' ? at : `${at}.${path}`, message })),
  };
}
