import { type ExplainRequest, type Explanation, explain, type Why } from '../core/answer/explain.js';
import { type AsIf, suppose, type UnknownSubject } from '../core/census/as-if.js';
import { type Decision, decisionOf } from '../core/census/decision.js';
import type { SimulationBase } from './simulator.js';

/** An answer with its steps, what decides about it, and what would change it. */
export interface FullExplanation extends Explanation {
  /** Absent where every client gets the same. */
  readonly decision?: Decision;
}

/** Explains an answer as if something were down or up; with an empty supposition, as it is. */
export function explainFully(
  { snapshot, index, health }: SimulationBase,
  request: ExplainRequest,
  asIf: AsIf,
  why: Why,
): FullExplanation | UnknownSubject {
  const supposed = suppose(snapshot, index(), health, asIf);
  if ('code' in supposed) return supposed;
  const source = { snapshot: supposed.snapshot, index: index(), health: supposed.health };
  const explanation = explain(source.snapshot, source.index, source.health, request, why);
  const decision = decisionOf(source, request);
  return { ...explanation, ...(decision && { decision }) };
}
