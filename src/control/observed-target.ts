/** A health target as the book of observers wants it. */
import { createHash } from 'node:crypto';
import { JUDGEMENT_DEFAULTS } from '../core/health/judgement.js';
import { type HealthTarget, monitorName, probeIdentity } from '../core/zone/targets.js';
import type { ObservedTarget } from './observed-entry.js';

/** 8 bytes of a digest are enough to tell 65,536 probes apart. */
const PROBE_ID_LENGTH = 11;

export function observed(target: HealthTarget): ObservedTarget {
  const { key, monitor, proxy, service, calculated } = target;
  const identity = probeIdentity(target);
  return {
    key,
    quorum: monitor?.quorum ?? 'majority',
    probed: monitor !== undefined,
    ...(monitor && { intervalMs: monitor.intervalMs, judgement: monitor.judgement }),
    ...(identity !== undefined && { probeId: probeId(identity) }),
    ...(proxy !== undefined && { proxy }),
    ...(service !== undefined && { service }),
    ...(calculated && madeFrom(calculated)),
  };
}

/** What comes back takes its weight slowly if any of its parts does; parts are damped, the whole need not be. */
function madeFrom(calculated: NonNullable<HealthTarget['calculated']>): Partial<ObservedTarget> {
  const { of, name: _, ...calculation } = calculated;
  const rampMs = Math.max(...of.map(({ monitor }) => monitor?.judgement.rampMs ?? 0), 0);
  return {
    calculated: {
      ...calculation,
      keys: of.map((part) => part.key),
      names: of.map((part) => monitorName(part) ?? 'proxy'),
    },
    judgement: { ...JUDGEMENT_DEFAULTS, rampMs, holdDownMs: 0 },
  };
}

function probeId(identity: string): string {
  return createHash('sha256').update(identity).digest('base64url').slice(0, PROBE_ID_LENGTH);
}
