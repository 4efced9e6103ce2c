/**
 * Brings reports to one receiver: one request in flight, so a slow or dead receiver delays nobody. A change during a
 * request is sent right after it; what is sent is always built at that moment, so nothing queues.
 */

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

/** The part of a pino logger that is used here. */
export interface ReportLog {
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
}

export interface ReportTimers {
  set(callback: () => void, delayMs: number): unknown;
  clear(timer: unknown): void;
}

export interface DeliveryOptions {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Gives the report of this moment. */
  readonly build: () => object;
  /** Where it goes; default /v1/reports. */
  readonly path?: string;
  /** What the log calls them; default `reports`. */
  readonly what?: string;
  /** Told of what the receiver answered to what it took. */
  readonly onAnswer?: (text: string) => void;
}

export interface DeliveryModules {
  readonly timers: ReportTimers;
  /** 0 to 1. */
  readonly random: () => number;
  readonly fetch: ReportFetch;
  readonly log: ReportLog;
}

export interface ReceiverStatus {
  readonly url: string;
  readonly sent: number;
  readonly failed: number;
  readonly lastError: string | null;
}

const JITTER = 0.1;
const RETRY_PART = 0.25;
/** A lost report is made good by the next; a receiver that stays away is logged at the third, then now and then. */
const LOG_FIRST = 3;
const LOG_EVERY = 30;
const ERROR_LENGTH_MAX = 200;
const ANSWER_LENGTH_MAX = 1_000;
/** The code of an answer to a report of a node that the receiver does not know. */
const UNKNOWN_NODE = '"unknown_node"';

export class Delivery {
  readonly #receiver: ReportReceiver;
  readonly #modules: DeliveryModules;
  readonly #options: DeliveryOptions;
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

  constructor(receiver: ReportReceiver, modules: DeliveryModules, options: DeliveryOptions) {
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
      this.#failure(abort.signal.aborted ? this.#late() : messageOf(error));
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
    const { path = '/v1/reports', onAnswer } = this.#options;
    const response = await this.#modules.fetch(`${url.replace(/\/+$/, '')}${path}`, {
      method: 'POST',
      headers,
      body: JSON.stringify(this.#options.build()),
      signal,
      redirect: 'error',
    });
    // Read in any case: an unread body would hold the connection.
    const text = (await response.text()).slice(0, ANSWER_LENGTH_MAX);
    if (response.ok && text.includes(UNKNOWN_NODE)) {
      throw new Error(
        'the report is ignored: no endpoint of a zone there names this proxy, and no report_to this node',
      );
    }
    if (response.ok) onAnswer?.(text);
    return response.status;
  }

  #succeeded(status: number): void {
    if (status >= 200 && status < 300) {
      if (this.#failedInARow >= LOG_FIRST) {
        this.#modules.log.info({ url: this.#receiver.url }, `${this.#what} arrive again`);
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
    this.#modules.log.warn(facts, `${this.#what} do not arrive`);
  }

  get #what(): string {
    return this.#options.what ?? 'reports';
  }

  #late(): string {
    return `no answer after ${this.#options.timeoutMs} ms`;
  }

  /**
   * Intervals count from start to start, so that three reports are tried while a view is fresh, however slow the
   * network; and one that is lost is made good soon.
   */
  #delayMs(): number {
    const { intervalMs, timeoutMs } = this.#options;
    const timedOut = this.#lastError === this.#late() && this.#failedInARow > 0;
    const leftMs = timedOut ? intervalMs - timeoutMs : intervalMs;
    const waitMs = Math.max(this.#failedInARow === 1 ? 0 : leftMs, intervalMs * RETRY_PART);
    return waitMs * (1 - JITTER + 2 * JITTER * this.#modules.random());
  }
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
