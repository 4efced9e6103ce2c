import { type Logger, pino } from 'pino';

export type Log = Logger;

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/** JSON lines on stderr; readable lines where that is a terminal. */
export function createLog(level: LogLevel, name: string): Log {
  const options = { level, base: { node: name } };
  if (!process.stderr.isTTY) return pino(options, pino.destination(2));
  const target = { target: 'pino-pretty', options: { destination: 2, ignore: 'pid,hostname' } };
  return pino({ ...options, transport: target });
}
