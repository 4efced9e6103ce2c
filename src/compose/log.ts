import { pino } from 'pino';

/** The parts of a pino logger that are used. */
export interface Log {
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
}

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/** JSON lines on stderr, readable lines on a terminal. */
export function createLog(level: LogLevel, name: string): Log {
  const options = { level, base: { node: name } };
  if (!process.stderr.isTTY) return pino(options, pino.destination(2));
  const target = { target: 'pino-pretty', options: { destination: 2, ignore: 'pid,hostname' } };
  return pino({ ...options, transport: target });
}
