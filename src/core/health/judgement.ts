/**
 * How observations of one target become its health word, beside `fall`, `rise` and `quorum`: what a monitor of a
 * zone file says of observers, of targets that flap, and of those that come back.
 */

/** Whose views count: everybody's, or those of observers in this node's own region. */
export type ObserverScope = 'global' | 'regional';

export interface Judgement {
  readonly from: ObserverScope;
  /** With fewer fresh views than this, the last verdict holds. At least 1. */
  readonly minObservers: number;
  /** A target that came back takes its full weight after so long; 0: at once. */
  readonly rampMs: number;
  /** The longest time that a target which flaps is kept down after it is well again; 0: never. */
  readonly holdDownMs: number;
}

export const JUDGEMENT_DEFAULTS: Judgement = {
  from: 'global',
  minObservers: 1,
  rampMs: 0,
  holdDownMs: 300_000,
};
