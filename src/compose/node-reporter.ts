import { readFile } from 'node:fs/promises';
import type { HealthWatch } from '../control/health-watch.js';
import { Reporter } from '../report/reporter.js';
import type { ServerConfig } from '../sources/server-config.js';
import type { Log } from './log.js';

/** Tells the other DNS nodes what this one's probes see; null where none are named. */
export function startReporter(
  { name, region }: { readonly name: string; readonly region: string },
  reportTo: ServerConfig['reportTo'],
  health: HealthWatch,
  log: Log,
): Reporter | null {
  if (reportTo.length === 0) return null;
  const receivers = reportTo.map(({ url, tokenFile }) => ({
    url,
    readToken: tokenFile === undefined ? null : () => readFile(tokenFile, 'utf8'),
  }));
  const reporter = new Reporter(
    { node: name, region, receivers },
    {
      wallMs: Date.now,
      timers: {
        set: (callback, delayMs) => setTimeout(callback, delayMs).unref(),
        clear: (timer) => clearTimeout(timer as NodeJS.Timeout),
      },
      random: Math.random,
      fetch,
      log,
      probes: () => health.probeViews(),
    },
  );
  health.onProbeChange(() => reporter.changed());
  reporter.start();
  return reporter;
}
