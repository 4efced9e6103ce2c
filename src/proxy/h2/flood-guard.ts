/** Streams that a client reset before they were answered: more than any browser or gRPC client at once. */
const RESETS_BURST = 200;
const RESETS_PER_S = 20;
/** SETTINGS after the first one. */
const SETTINGS_BURST = 20;
const SETTINGS_PER_S = 1;
/** Bytes that were neither a head nor a body: PING, PRIORITY, WINDOW_UPDATE, empty frames, frame headers, TLS. */
const OVERHEAD_BURST = 1024 * 1024;
const OVERHEAD_PER_S = 64 * 1024;
/** What a frame with data may cost beside its data: its header, padding, and a TLS record. */
const OVERHEAD_PER_CHUNK = 128;
/** What a client may send on one stream before we take it. */
export const STREAM_WINDOW = 64 * 1024;
/** A head may be sent with other compression than it is counted with here. */
const OVERHEAD_PER_STREAM = 512;
/** WINDOW_UPDATE and TLS: bytes that a client may send for each byte that it gets. */
const OVERHEAD_PER_BYTE_OUT = 1 / 16;

/**
 * Counts what a client makes us do for nothing (CVE-2023-44487 and its relatives). Each kind has a bucket that fills
 * with time; what has a use gives credit.
 */
export class FloodGuard {
  #nowMs: number;
  #resets = RESETS_BURST;
  #settings = SETTINGS_BURST;
  #overhead = OVERHEAD_BURST;
  #seenBytes = 0;
  #credit = 0;

  constructor(nowMs: number) {
    this.#nowMs = nowMs;
  }

  /** A head of so many bytes, uncompressed. */
  headIn(bytes: number): void {
    this.#credit += bytes + OVERHEAD_PER_STREAM;
  }

  /** We ended a stream of which more was on its way: as much as its window allows. */
  unwanted(): void {
    this.#credit += STREAM_WINDOW;
  }

  dataIn(bytes: number): void {
    this.#credit += bytes + OVERHEAD_PER_CHUNK;
  }

  dataOut(bytes: number): void {
    this.#credit += bytes * OVERHEAD_PER_BYTE_OUT;
  }

  /** These three give the kind of flood, or null while all is well. */
  reset(nowMs: number): 'resets' | null {
    this.#refill(nowMs);
    return --this.#resets < 0 ? 'resets' : null;
  }

  settings(nowMs: number): 'settings' | null {
    this.#refill(nowMs);
    return --this.#settings < 0 ? 'settings' : null;
  }

  /** `bytesRead`: everything that the connection ever received. */
  look(nowMs: number, bytesRead: number): 'overhead' | null {
    this.#refill(nowMs);
    const came = bytesRead - this.#seenBytes;
    this.#seenBytes = bytesRead;
    this.#overhead += this.#credit - came;
    this.#credit = 0;
    const isFlood = this.#overhead < 0;
    this.#overhead = Math.min(this.#overhead, OVERHEAD_BURST);
    return isFlood ? 'overhead' : null;
  }

  #refill(nowMs: number): void {
    const seconds = (nowMs - this.#nowMs) / 1000;
    this.#nowMs = nowMs;
    this.#resets = Math.min(this.#resets + seconds * RESETS_PER_S, RESETS_BURST);
    this.#settings = Math.min(this.#settings + seconds * SETTINGS_PER_S, SETTINGS_BURST);
    this.#overhead += seconds * OVERHEAD_PER_S;
  }
}
