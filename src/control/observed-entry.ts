/** What the book of observers knows of one target. */

import { heldDownUntil } from '../core/health/damping.js';
import { JUDGEMENT_DEFAULTS, type Judgement } from '../core/health/judgement.js';
import type { Vote } from '../core/health/quorum.js';
import { newStanding, type Standing } from '../core/health/settle.js';
import type { Quorum } from '../core/zone/model.js';
import type { CalculatedFrom } from './calculated-verdict.js';
import {
  type Observation,
  type PeerViews,
  peerObservation,
  peerObserver,
  proxyObservation,
  proxyObserver,
  viewAt,
} from './observation.js';
import type { ReportBook } from './report-book.js';

/** One thing that can be up or down: an endpoint as one monitor sees it. */
export interface ObservedTarget {
  readonly key: string;
  readonly quorum: Quorum;
  readonly judgement?: Judgement;
  /** Interval of this node's own probes: how long their view stays fresh. Default 5 s. */
  readonly intervalMs?: number;
  /** Whether this node probes it. Default true; without, a proxy's reports are all there is. */
  readonly probed?: boolean;
  /** By which DNS nodes tell each other of their views of it. */
  readonly probeId?: string;
  /** The proxy that owns the address, and which of its services counts; all of them when absent. */
  readonly proxy?: string;
  readonly service?: string;
  /** The verdict is made from those of other targets; nobody observes it. */
  readonly calculated?: CalculatedFrom;
  /** The verdict to start from, for instance from the last good state on disk. Default `up`. */
  readonly last?: 'up' | 'down';
}

export interface ObservedEntry {
  target: ObservedTarget;
  standing: Standing;
  /** When time alone changes what the verdict rests on. */
  dueMs: number;
  readonly observations: Map<string, Observation>;
}

export function newEntry(target: ObservedTarget, nowMs: number): ObservedEntry {
  return { target, standing: newStanding(target.last ?? 'up', nowMs), dueMs: nowMs, observations: new Map() };
}

/** When the next view gets old, a flapping target may return, or the grace of one that was held is over. */
export function dueOf(entry: ObservedEntry, nowMs: number): number {
  const { verdict, damping, graceUntilMs = Infinity } = entry.standing;
  const isDamped = verdict.basis === 'damped';
  let due = isDamped ? heldDownUntil(damping, judgementOf(entry).holdDownMs) : graceUntilMs;
  for (const { expiresMs } of entry.observations.values()) {
    if (expiresMs > nowMs && expiresMs < due) due = expiresMs;
  }
  return due;
}

export function judgementOf({ target }: ObservedEntry): Judgement {
  return target.judgement ?? JUDGEMENT_DEFAULTS;
}

export function votesOf({ observations }: ObservedEntry, nowMs: number): readonly Vote[] {
  return [...observations.values()].map((observation) => ({
    view: viewAt(observation, nowMs),
    region: observation.region,
    ...(observation.owner && { owner: true }),
  }));
}

/** Notes what a peer sees of a target; whether that is another view than before. */
export function observePeer(entry: ObservedEntry, views: PeerViews, nowMs: number): boolean {
  const { target, observations } = entry;
  const { probeId } = target;
  if (probeId === undefined || target.probed === false) return false;
  const name = peerObserver(views.last.report.node);
  const before = observations.get(name);
  const next = peerObservation(views, probeId);
  observations.set(name, next);
  entry.dueMs = Math.min(entry.dueMs, next.expiresMs);
  return !before || viewAt(before, nowMs) !== viewAt(next, nowMs) || before.region !== next.region;
}

/** Notes what the proxy that owns the address says, if it has said something. */
export function observeProxy({ target, observations }: ObservedEntry, reports: ReportBook): void {
  const { proxy, service } = target;
  const last = proxy === undefined ? undefined : reports.lastOf(proxy);
  if (proxy !== undefined && last)
    observations.set(proxyObserver(proxy, service), proxyObservation(last, service));
}
