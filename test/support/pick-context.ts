import { hashText, NO_KEY } from '../../src/core/balance/hash.js';
import { LatencyTable } from '../../src/core/balance/latency-table.js';
import type { Candidate, PickContext, Picker } from '../../src/core/balance/picker.js';

/** For endpoints 0 to 1023. */
export const ENDPOINTS = 1_024;

export type TestContext = PickContext & { active: Int32Array };

export function newContext(): TestContext {
  return {
    turn: 0,
    draw: 0,
    nowMs: 0,
    key: NO_KEY,
    active: new Int32Array(ENDPOINTS),
    latency: new LatencyTable(ENDPOINTS),
    excluded: new Uint8Array(ENDPOINTS),
    exclusions: 0,
  };
}

export function exclude(context: PickContext, indexes: readonly number[]): void {
  context.excluded.fill(0);
  for (const index of indexes) context.excluded[index] = 1;
  context.exclusions = indexes.length;
}

export function candidate(index: number, weight = 1, share = 1): Candidate {
  return { index, weight, share, identity: hashText(`10.0.${index >> 8}.${index & 255}:80`) };
}

/** A generator of draws that is the same in every run (mulberry32). */
export function drawsOf(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

export interface Traffic {
  readonly picks: number;
  /** How many of them stay in progress; later ones end the oldest. */
  readonly inProgress?: number;
  readonly seed?: number;
  /** The key of the n-th request; by default they differ. */
  readonly key?: (n: number) => number;
  readonly latencyMs?: (index: number) => number;
}

/** Sends requests through a picker; how many each endpoint got. */
export function sharesOf(picker: Picker, context: TestContext, traffic: Traffic): Map<number, number> {
  const {
    picks,
    inProgress = 0,
    seed = 1,
    key = (n) => hashText(`key ${n}`),
    latencyMs = () => 10,
  } = traffic;
  const random = drawsOf(seed);
  const counts = new Map<number, number>();
  const running: number[] = [];
  for (let n = 0; n < picks; n++) {
    context.turn = n;
    context.draw = random();
    context.nowMs += 1;
    context.key = key(n);
    const index = picker.pick(context);
    counts.set(index, (counts.get(index) ?? 0) + 1);
    if (index < 0) continue;
    context.active[index]!++;
    running.push(index);
    if (running.length <= inProgress) continue;
    const done = running.shift()!;
    context.active[done]!--;
    context.latency.observe(done, latencyMs(done), true, context.nowMs);
  }
  for (const index of running) context.active[index]!--;
  return counts;
}
