/** What one version of a zone answers for a name and a type: the classes of clients, and what each of them gets. */
import type { ClassChoice } from '../geo/compile.js';

/** What the clients of one class get, as expectations: the part of `Outcome` (`core/census/outcome.ts`) that counts here. */
export interface Answered {
  readonly answers: readonly AnsweredShare[];
  /** Share of answers without an address, 0 to 1; with the shares of `answers` it makes 1. */
  readonly empty: number;
  /** `first`, `fallback`, `failed_open` …; empty for records that are the same for everybody. */
  readonly reason: string;
  /** Equal where clients can't tell the difference. */
  readonly answerKey: string;
}

export interface AnsweredShare {
  readonly rdata: string;
  /** Empty for a record that is the same for everybody. */
  readonly pool: string;
  readonly region?: string;
  /** Of the clients, where each takes any of the values of its answer. */
  readonly share: number;
}

export interface View {
  /** Absent: one class, 0, for all clients. */
  readonly choice?: ClassChoice;
  /** How many classes there are. */
  readonly classes: number;
  /** Equal for views that choose alike and answer alike. */
  readonly key: string;
  answered(cls: number): Answered;
}

/** The same values for everybody; none: the name or the type does not exist. */
export function constantView(values: readonly string[]): View {
  const sorted = values.toSorted();
  const answered: Answered = {
    answers: sorted.map((rdata) => ({ rdata, pool: '', share: 1 / sorted.length })),
    empty: sorted.length === 0 ? 1 : 0,
    reason: '',
    answerKey: sorted.map((value) => JSON.stringify(value)).join(),
  };
  return { classes: 1, key: `constant ${answered.answerKey}`, answered: () => answered };
}
