import type { Verdict } from '../core/health/quorum.js';
import { type HealthTarget, monitorName } from '../core/zone/targets.js';
import type { ObserverView } from './target-description.js';

/** A change of a verdict, as it is told to listeners. */
export interface Transition {
  readonly target: HealthTarget;
  readonly state: 'up' | 'down';
  readonly basis: Verdict['basis'];
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly reason: string;
}

export interface TransitionModules {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly log: {
    info(facts: object, message: string): void;
    warn(facts: object, message: string): void;
  };
}

/** Tells of changes of verdicts: in the log, and to who listens. */
export class Transitions {
  readonly #modules: TransitionModules;
  readonly #listeners = new Set<(transition: Transition) => void>();
  #count = 0;

  constructor(modules: TransitionModules) {
    this.#modules = modules;
  }

  /** `views`: what the new verdict rests on. */
  tell(target: HealthTarget, { state, basis }: Verdict, views: readonly ObserverView[]): void {
    this.#count++;
    const { now, log } = this.#modules;
    const observers = views.map(({ observer, view, detail }) => `${observer}: ${view} (${detail})`);
    const facts = { target: target.host, monitor: monitorName(target), observers };
    log[state === 'down' ? 'warn' : 'info'](facts, `${target.host} is ${state}`);
    const transition = { target, state, basis, atMs: now(), reason: observers.join(', ') };
    for (const listener of this.#listeners) listener(transition);
  }

  /** Calls a listener with each change; returns how to end that. */
  listen(listener: (transition: Transition) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Since the start. */
  get count(): number {
    return this.#count;
  }
}

/** A transition as events tell it. */
export function transitionFacts({ target, state, basis, atMs, reason }: Transition): object {
  const name = monitorName(target);
  return {
    target: target.host,
    ...(name !== undefined && { monitor: name }),
    state,
    basis,
    at: new Date(atMs).toISOString(),
    reason,
  };
}
