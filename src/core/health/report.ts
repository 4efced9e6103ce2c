/**
 * The report: the one message in which a proxy (and later another DNS node) tells what it sees.
 * It is sent to every DNS node every `intervalMs` and at once on a change; `POST /v1/reports` takes it.
 */

export const REPORT_SCHEMA = 1;

/** What one reporter sees of one of its services (pools). */
export interface ServiceReport {
  readonly service: string;
  readonly endpoints: number;
  readonly healthy: number;
}

export interface Report {
  readonly schema: typeof REPORT_SCHEMA;
  readonly node: string;
  readonly region: string;
  /** Milliseconds since 1970 at which the reporter started: orders restarts. */
  readonly epoch: number;
  /** Counts up from 1 within an epoch. */
  readonly sequence: number;
  /** Milliseconds since 1970 by the reporter's clock. */
  readonly sent: number;
  readonly intervalMs: number;
  readonly state: 'up' | 'degraded' | 'draining' | 'down';
  readonly services: readonly ServiceReport[];
}

/** A report is believed for this many intervals; after that its view is unknown, not down. */
export const REPORT_TTL_INTERVALS = 3;
