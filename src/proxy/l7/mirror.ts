import { NO_KEY } from '../../core/balance/hash.js';
import { copyBytes } from '../../core/http/ascii.js';
import type { RequestFacts } from '../../core/http/hygiene.js';
import { MIRROR_FIELD, MIRROR_SKIPS, type MirrorModel, type MirrorSkip } from '../../core/http/mirror.js';
import { ROUTE_CELL, type RouteCells } from '../route-cells.js';
import type { HttpPool } from './context.js';
import { MirrorCopy } from './mirror-copy.js';
import type { UpstreamModules } from './upstream-connection.js';

/** Between the last field and the empty line. */
const MARK: Uint8Array = new TextEncoder().encode(`${MIRROR_FIELD}: 1\r\n\r\n`);
const NO_TRIED: readonly number[] = [];

/** Copies a sample of the requests of a route to another pool; one for each worker. */
export class Mirror {
  readonly modules: UpstreamModules;
  readonly pool: HttpPool;
  readonly #model: MirrorModel;
  readonly #cells: RouteCells;
  readonly #random: () => number;
  #inFlight = 0;

  constructor(
    model: MirrorModel,
    pool: HttpPool,
    modules: UpstreamModules,
    { cells, random }: { readonly cells: RouteCells; readonly random: () => number },
  ) {
    this.#model = model;
    this.pool = pool;
    this.modules = modules;
    this.#cells = cells;
    this.#random = random;
  }

  /** A copy of the head in `head[0, length)`, to which the body is still to be added; null for most requests. */
  copyOf(facts: RequestFacts, head: Uint8Array, length: number): MirrorCopy | null {
    return this.takes(facts) ? this.#begin(facts, head, length) : null;
  }

  /** True if this request is of the sample and may be copied: the copy then counts as in progress until `left`. */
  takes(facts: RequestFacts): boolean {
    if (this.#random() >= this.#model.sample) return false;
    const { maxBody, maxInFlight } = this.#model;
    const why = facts.upgrade !== null ? 'upgrade' : facts.framing.length > maxBody ? 'body' : null;
    if (why !== null || this.#inFlight >= maxInFlight) {
      this.skipped(why ?? 'in_flight');
      return false;
    }
    this.#inFlight++;
    return true;
  }

  get bodyBytesMax(): number {
    return this.#model.maxBody;
  }

  /** An endpoint for a copy that is whole; null where there is none. */
  pick(): ReturnType<HttpPool['pick']> {
    return this.pool.pick(NO_TRIED, NO_KEY);
  }

  sent(): void {
    this.#cells.count(this.#model.slot ?? 0, ROUTE_CELL.MIRRORED);
  }

  skipped(why: MirrorSkip): void {
    this.#cells.count(this.#model.slot ?? 0, ROUTE_CELL.SKIPPED + MIRROR_SKIPS.indexOf(why));
  }

  /** A copy ended. */
  left(): void {
    this.#inFlight--;
  }

  #begin(facts: RequestFacts, head: Uint8Array, length: number): MirrorCopy {
    const { kind, length: body } = facts.framing;
    // Of a body in chunks the length is not known: room for it is made as it comes.
    const bytes = markedHead(head, length, kind === 'length' ? body : 0);
    const marked = length - 2 + MARK.length;
    return new MirrorCopy(this, facts, { bytes, length: marked, lengthMax: marked + this.#model.maxBody });
  }
}

/** The head in `head[0, length)` with the field that marks copies, and `room` bytes behind it. */
export function markedHead(head: Uint8Array, length: number, room = 0): Uint8Array {
  const bytes = new Uint8Array(length - 2 + MARK.length + room);
  copyBytes(bytes, 0, head, 0, length - 2);
  copyBytes(bytes, length - 2, MARK, 0, MARK.length);
  return bytes;
}
