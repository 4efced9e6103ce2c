import { createHealthChecker } from '../probe/checker.js';
import { createProbe } from '../probe/probe.js';

/** The probes of the DNS side, for the endpoints of a proxy. */
export function newChecker(): ReturnType<typeof createHealthChecker> {
  return createHealthChecker({
    probe: createProbe({ clock: () => performance.now() }),
    clock: () => performance.now(),
    timers: { setTimeout, clearTimeout: (handle) => clearTimeout(handle as NodeJS.Timeout) },
    random: Math.random,
  });
}
