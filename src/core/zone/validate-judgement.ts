/** Monitors and pools: how observations become a verdict, and how load is shed. */

import type { Findings } from './finding.js';
import type { Monitor, Pool } from './model.js';

const RAMP_MS_MAX = 3_600_000;
const HOLD_DOWN_MS_MAX = 3_600_000;

export function validateJudgement({ name, judgement, quorum }: Monitor, findings: Findings): void {
  const at = ['monitors', name];
  if (judgement.rampMs > RAMP_MS_MAX) findings.add([...at, 'ramp'], 'out-of-range', 'must be from 0s to 1h');
  if (judgement.holdDownMs > HOLD_DOWN_MS_MAX) {
    findings.add([...at, 'hold_down'], 'out-of-range', 'must be from 0s to 1h');
  }
  if (typeof quorum === 'number' && judgement.minObservers < quorum && judgement.minObservers > 1) {
    const message = `is less than the quorum, ${quorum}: with so few observers the quorum can't be reached`;
    findings.add([...at, 'min_observers'], 'out-of-range', message);
  }
}

export function validateMinUp({ name, minUpCount, endpoints }: Pool, findings: Findings): void {
  const weighty = endpoints.filter(({ weight }) => weight > 0).length;
  if (minUpCount === undefined || (minUpCount >= 1 && minUpCount <= weighty)) return;
  const message = `must be from 1 to ${weighty}: so many endpoints of the pool have a weight`;
  findings.add(['pools', name, 'min_up'], 'out-of-range', message);
}

export function validateShed({ name, shed, endpoints }: Pool, findings: Findings): void {
  if (!shed) return;
  const at = ['pools', name, 'shed'];
  if (!(shed.from < shed.to)) {
    findings.add([...at, 'to'], 'out-of-range', `must be more than "from", ${shed.from}`);
  }
  if (endpoints.every(({ proxy }) => proxy === undefined)) {
    findings.add(at, 'unknown-name', 'needs an endpoint with the key "proxy": proxies tell of their load');
  }
}
