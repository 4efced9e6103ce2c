/**
 * Tells the DNS nodes what this proxy sees: one report to each receiver every interval, and at once on a change.
 *
 * Each receiver has its own loop with one request in flight, so a slow or dead one delays nobody. A change
 * during a request is sent right after it; what is sent is always built at that moment, so nothing queues.
 */

import { REPORT_SCHEMA, type Report, type ServiceReport } from '../core/health/report.js';
import type { ProxyLog, Timers } from './modules.js';

export interface ReportReceiver {
  /** Base address of the API: `http://192.0.2.1:8300`. */
  readonly url: string;
  /** The bearer token, read anew after a 401 or 403; null if the receiver wants none. */
  readonly readToken: (() => Promise<string>) | null;
}

/** The part of `fetch` that is used. */
export type ReportFetch = (
  url: string,
  init: {
    readonly method: 'POST';
    readonly headers: Record<string, string>;
    readonly body: string;
    readonly signal: AbortSignal;
    readonly redirect: 'error';
  },
) => Promise<{
  readonly ok: boolean;
  readonly status: number;
  text(): Promise<string>;
}>;

export interface ReporterOptions {
  readonly node: string;
  readonly region: string;
  readonly receivers: readonly ReportReceiver[];
  readonly intervalMs?: number;
  readonly timeoutMs?: number;
}

export interface ReporterModules {
  /** Milliseconds since 1970. */
  readonly wallMs: () => number;
  readonly timers: Timers;
  /** 0 to 1. */
  readonly random: () => number;
  readonly fetch: ReportFetch;
  readonly log: ProxyLog;
  readonly services: () => readonly ServiceReport[];
}

export interface ReceiverStatus {
  readonly url: string;
  readonly sent: number;
  readonly failed: number;
  readonly lastError: string | null;
}

const INTERVAL_MS = 2_000;
const TIMEOUT_MS = 1_500;
const JITTER = 0.1;
/** A lost report is made good by the next; a receiver that stays away is logged at the third, then now and then. */
const LOG_FIRST = 3;
const LOG_EVERY = 30;
const ERROR_LENGTH_MAX = 200;
const ANSWER_LENGTH_MAX = 1_000;
/** The code of an answer to a report of a proxy that no endpoint names. */
const UNKNOWN_NODE = '"unknown_node"';

export class Reporter {
  readonly #options: ReporterOptions;
  readonly #modules: ReporterModules;
  readonly #epoch: number;
  readonly #loops: readonly ReceiverLoop[];
  #sequence = 0;
  #draining = false;

  constructor(options: ReporterOptions, modules: ReporterModules) {
    this.#options = options;
    this.#modules = modules;
    this.#epoch = modules.wallMs();
    this.#loops = options.receivers.map(
      (receiver) =>
        new ReceiverLoop(receiver, modules, {
          intervalMs: options.intervalMs ?? INTERVAL_MS,
          timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
          build: () => this.build(),
        }),
    );
  }

  start(): void {
    for (const loop of this.#loops) loop.send();
  }

  /** Something changed: tell everybody now. */
  changed(): void {
    for (const loop of this.#loops) loop.send();
  }

  /** Says that this proxy is going away, from the next report on. */
  /** Reports from now on that this proxy drains; resolves when each receiver was told, or did not answer in time. */
  async drain(): Promise<void> {
    this.#draining = true;
    await Promise.all(this.#loops.map((loop) => loop.sendLast()));
  }

  close(): void {
    for (const loop of this.#loops) loop.close();
  }

  status(): readonly ReceiverStatus[] {
    return this.#loops.map((loop) => loop.status());
  }

  /** The report of this moment. Each one has its own sequence number. */
  build(): Report {
    const services = this.#modules.services();
    return {
      schema: REPORT_SCHEMA,
      node: this.#options.node,
      region: this.#options.region,
      epoch: this.#epoch,
      sequence: ++this.#sequence,
      sent: this.#modules.wallMs(),
      intervalMs: this.#options.intervalMs ?? INTERVAL_MS,
      state: this.#draining ? 'draining' : stateOf(services),
      services,
    };
  }
}

/** `down` only if nothing can be served at all; `degraded` if some pool can't. */
function stateOf(services: readonly ServiceReport[]): Report['state'] {
  const dead = services.filter(({ healthy }) => healthy === 0).length;
  if (dead === 0) return 'up';
  return dead === services.length ? 'down' : 'degraded';
}

class ReceiverLoop {
  readonly #receiver: ReportReceiver;
  readonly #modules: ReporterModules;
  readonly #options: { intervalMs: number; timeoutMs: number; build: () => Report };
  #timer: unknown = null;
  #abort: AbortController | null = null;
  #again = false;
  /** The round under way. */
  #current: Promise<void> = Promise.resolve();
  #closed = false;
  #token: string | null = null;
  #sent = 0;
  #failed = 0;
  #failedInARow = 0;
  #lastError: string | null = null;

  constructor(
    receiver: ReportReceiver,
    modules: ReporterModules,
    options: { readonly intervalMs: number; readonly timeoutMs: number; readonly build: () => Report },
  ) {
    this.#receiver = receiver;
    this.#modules = modules;
    this.#options = options;
  }

  /** Sends now, or right after the request in flight. */
  send(): void {
    if (this.#closed) return;
    if (this.#abort !== null) {
      this.#again = true;
      return;
    }
    this.#modules.timers.clear(this.#timer);
    this.#current = this.#round();
  }

  /** As `send`; resolves after one round that began with or after this call. */
  async sendLast(): Promise<void> {
    await this.#current;
    if (this.#closed) return;
    this.send();
    await this.#current;
  }

  close(): void {
    this.#closed = true;
    this.#modules.timers.clear(this.#timer);
    this.#abort?.abort();
  }

  status(): ReceiverStatus {
    return { url: this.#receiver.url, sent: this.#sent, failed: this.#failed, lastError: this.#lastError };
  }

  async #round(): Promise<void> {
    const abort = new AbortController();
    this.#abort = abort;
    const timeout = this.#modules.timers.set(() => abort.abort(), this.#options.timeoutMs);
    try {
      this.#succeeded(await this.#post(abort.signal));
    } catch (error) {
      const late = abort.signal.aborted ? `no answer after ${this.#options.timeoutMs} ms` : messageOf(error);
      this.#failure(late);
    }
    this.#modules.timers.clear(timeout);
    this.#abort = null;
    if (this.#closed) return;
    const again = this.#again;
    this.#again = false;
    // A receiver that fails at once must not be asked in a tight loop: changes wait for the interval then.
    if (again && this.#failedInARow === 0) this.#current = this.#round();
    else this.#timer = this.#modules.timers.set(() => this.send(), this.#delayMs());
  }

  async #post(signal: AbortSignal): Promise<number> {
    const { url, readToken } = this.#receiver;
    if (readToken !== null && this.#token === null) this.#token = (await readToken()).trim();
    const headers: Record<string, string> = { 'content-type': 'application/json' };
    if (this.#token !== null) headers['authorization'] = `Bearer ${this.#token}`;
    const response = await this.#modules.fetch(`${url.replace(/\/+$/, '')}/v1/reports`, {
      method: 'POST',
      headers,
      body: JSON.stringify(this.#options.build()),
      signal,
      redirect: 'error',
    });
    // Read in any case: an unread body would hold the connection.
    const text = (await response.text()).slice(0, ANSWER_LENGTH_MAX);
    if (response.ok && text.includes(UNKNOWN_NODE)) {
      throw new Error('the report is ignored: no endpoint of a zone there names this proxy');
    }
    return response.status;
  }

  #succeeded(status: number): void {
    if (status >= 200 && status < 300) {
      if (this.#failedInARow >= LOG_FIRST) {
        this.#modules.log.info({ url: this.#receiver.url }, 'reports arrive again');
      }
      this.#sent++;
      this.#failedInARow = 0;
      this.#lastError = null;
      return;
    }
    if (status === 401 || status === 403) this.#token = null;
    this.#failure(`status ${status}`);
  }

  #failure(message: string): void {
    if (this.#closed) return;
    this.#failed++;
    this.#lastError = message.slice(0, ERROR_LENGTH_MAX);
    if (++this.#failedInARow % LOG_EVERY !== LOG_FIRST) return;
    const facts = { url: this.#receiver.url, error: this.#lastError, failures: this.#failedInARow };
    this.#modules.log.warn(facts, 'reports do not arrive');
  }

  #delayMs(): number {
    return this.#options.intervalMs * (1 - JITTER + 2 * JITTER * this.#modules.random());
  }
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
