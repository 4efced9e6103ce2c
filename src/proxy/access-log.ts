import { type AccessClient, accessLine } from '../core/access-log/line.js';
import { type AccessRecord, AccessRing } from '../core/access-log/ring.js';
import { LineLog, type LineLogModules } from '../core/tally/line-log.js';

/** Writes the requests that the workers put into their rings. */
export function startAccessLog(modules: LineLogModules, client: AccessClient): LineLog<AccessRecord> {
  return new LineLog(modules, {
    name: 'access log',
    open: (memory) => new AccessRing(memory),
    lineOf: (record, worker) => accessLine(record, { worker, client }),
  });
}
