import { DENIED } from '../../core/limit/access-trie.js';
import { limitNumber } from '../../core/limit/limit-identity.js';
import type { SourceModel } from '../../core/limit/limit-model.js';
import { SOURCE_FULL, type SourceTable } from '../../core/limit/source-table.js';
import { countEvent } from '../listener-events.js';
import { LIMIT_CELL } from './limit-cells.js';
import type { AccessHolder, BoundLimit, GuardModules } from './request-guard.js';

/** The connection may not go on. */
export const NOT_ADMITTED = -1;
/** It may, and is not counted. */
export const NOT_COUNTED = -2;

/** Decides whether a client may connect: by its address, by how often it comes, and by how many connections it has. */
export class ConnectionGuard {
  readonly #modules: GuardModules;
  readonly #access: AccessHolder | null;
  readonly #sources: SourceModel | null;
  readonly #rate: BoundLimit | null;
  readonly #rateNumber: number;
  readonly #table: SourceTable;
  readonly #listener: number;

  constructor(
    modules: GuardModules & { readonly sources: SourceTable },
    {
      access,
      sources,
      rate,
      listener,
    }: {
      readonly access: AccessHolder | null;
      readonly sources: SourceModel | null;
      readonly rate: BoundLimit | null;
      /** Tells listeners apart. */
      readonly listener: number;
    },
  ) {
    this.#modules = modules;
    this.#table = modules.sources;
    this.#access = access;
    this.#sources = sources;
    this.#rate = rate;
    this.#rateNumber = rate === null ? 0 : limitNumber(rate.model);
    this.#listener = listener;
  }

  /** A place to be given back with `leave`, or NOT_COUNTED, or NOT_ADMITTED, which is counted in `events`. */
  enter(address: string, events: Float64Array): number {
    const { client, hash } = this.#modules;
    client.read(address);
    const trie = this.#access === null ? null : this.#access.trie;
    if (trie !== null && client.classIn(trie) === DENIED) {
      countEvent(events, 'refused_access');
      return NOT_ADMITTED;
    }
    const sources = this.#sources;
    if (sources === null) return NOT_COUNTED;
    if (this.#rate !== null && !this.#passesRate(this.#rate)) {
      countEvent(events, 'refused_rate');
      return NOT_ADMITTED;
    }
    if (sources.connections === 0) return NOT_COUNTED;
    hash.begin(this.#listener);
    client.addTo(hash, sources.prefix4, sources.prefix6);
    const place = this.#table.enter(hash.first, hash.second, sources.connections);
    if (place === SOURCE_FULL) countEvent(events, 'refused_source');
    return place >= 0 ? place : place === SOURCE_FULL ? NOT_ADMITTED : NOT_COUNTED;
  }

  leave(place: number): void {
    this.#table.leave(place);
  }

  #passesRate({ model, slot, cells }: BoundLimit): boolean {
    const { client, hash, table } = this.#modules;
    hash.begin(this.#rateNumber);
    client.addTo(hash, model.prefix4, model.prefix6);
    const passes = table.take(hash.first, hash.second, slot, this.#modules.now()) >= 0;
    cells[passes ? LIMIT_CELL.PASSED : LIMIT_CELL.REFUSED]! += 1;
    return passes;
  }
}
