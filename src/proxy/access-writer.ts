import { type AccessEntry, newAccessEntry } from '../core/access-log/entry.js';
import type { AccessRing } from '../core/access-log/ring.js';
import type { AccessSampler } from '../core/access-log/sampler.js';

/** The access log as one worker sees it. Whoever ends a request asks `takes`, fills `entry` and calls `write`. */
export class AccessWriter {
  readonly #sampler: AccessSampler;
  readonly #ring: AccessRing;
  readonly #wallMs: () => number;
  readonly #entry: AccessEntry = newAccessEntry();

  /** `wallMs`: milliseconds since 1970. */
  constructor(sampler: AccessSampler, ring: AccessRing, wallMs: () => number) {
    this.#sampler = sampler;
    this.#ring = ring;
    this.#wallMs = wallMs;
  }

  /** Whether a request that ended is logged: see `AccessSampler`. */
  takes(status: number, nowMs: number): boolean {
    return this.#sampler.takes(status, nowMs);
  }

  /** For the request that ended just now; all but these is empty. */
  begin(listener: string, client: string, tls: boolean): AccessEntry {
    const entry = this.#entry;
    entry.listener = listener;
    entry.client = client;
    entry.protocol = 'HTTP/1.1';
    entry.tls = tls;
    entry.method = '';
    entry.host = '';
    entry.path = '';
    entry.bytesIn = 0;
    entry.bytesOut = 0;
    entry.durationMs = 0;
    entry.upstreamMs = -1;
    entry.pool = '';
    entry.endpoint = '';
    entry.retries = 0;
    return entry;
  }

  write(): void {
    this.#entry.timeMs = this.#wallMs();
    this.#ring.add(this.#entry);
  }
}
