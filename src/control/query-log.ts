import { type LineNames, logLine } from '../core/query-log/line.js';
import { type LogRecord, QueryRing } from '../core/query-log/ring.js';
import { LineLog, type LineLogModules } from '../core/tally/line-log.js';

/** Writes the queries that the workers put into their rings. */
export function startQueryLog(modules: LineLogModules, names: Omit<LineNames, 'worker'>): LineLog<LogRecord> {
  return new LineLog(modules, {
    name: 'query log',
    open: (memory) => new QueryRing(memory),
    lineOf: (record, worker) => logLine(record, { ...names, worker }),
  });
}
