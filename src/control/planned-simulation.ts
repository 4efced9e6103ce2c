import { createAliasTable } from '../core/answer/alias-slot.js';
import type { SnapshotIndex } from '../core/answer/build.js';
import { compileSnapshot } from '../core/answer/compile.js';
import type { Snapshot } from '../core/answer/snapshot.js';
import type { CensusSource } from '../core/census/census.js';
import { type SimulationQuestion, simulate } from '../core/census/simulate.js';
import { formatName } from '../core/dns/name.js';
import type { LocationTrie } from '../core/geo/location.js';
import { SLOT_ALWAYS_UP } from '../core/health/word.js';
import type { Zone } from '../core/zone/model.js';
import { loadMasterFile } from '../sources/master-zone.js';
import { loadZoneFile, type ZoneFileOptions } from '../sources/zone-file.js';
import type { SimulationReply } from './simulator.js';
import { isMaster } from './zone-desk.js';

/** What a plan would make of the zones that it changes. */
export interface PlannedZones {
  /** Of the plan. */
  readonly id: string;
  /** Texts by file; null for one that goes. */
  readonly files: ReadonlyMap<string, string | null>;
  /** Origins of zones that go. */
  readonly removed: readonly string[];
  /** Health slots of the targets that are watched. */
  readonly slots: ReadonlyMap<string, number>;
}

interface Tables {
  readonly snapshot: Snapshot;
  readonly index: SnapshotIndex;
}

/** Runs simulations, and keeps the tables of the last plan. Endpoints that nobody watches yet count as up. */
export class SimulationRunner {
  readonly #options: ZoneFileOptions;
  #last: { readonly id: string; readonly geo: LocationTrie; readonly tables: Tables } | undefined;

  constructor(options: ZoneFileOptions = {}) {
    this.#options = options;
  }

  /** Zones that a plan does not change are simulated as they are served. */
  run(source: CensusSource, question: SimulationQuestion, planned?: PlannedZones): SimulationReply {
    if (!planned) return simulate(source, question);
    const tables = this.#tablesOf(planned, source.geo);
    const after = { ...source, ...tables };
    if (question.kind === 'clients') return this.#clients(source, after, question, planned);
    const { scope } = question;
    const zone = zoneOf(tables.index, 'zone' in scope ? scope.zone : formatName(scope.name).toLowerCase());
    if (zone !== undefined) return simulate(after, question);
    const name = 'zone' in scope ? scope.zone : formatName(scope.name).toLowerCase();
    if (isRemoved(planned, name)) return { code: 'zone' in scope ? 'unknown_zone' : 'unknown_name' };
    return simulate(source, question);
  }

  #clients(
    source: CensusSource,
    after: CensusSource,
    question: Extract<SimulationQuestion, { readonly kind: 'clients' }>,
    planned: PlannedZones,
  ): SimulationReply {
    const change = (name: Uint8Array) => {
      const text = formatName(name).toLowerCase();
      return zoneOf(after.index, text) !== undefined || isRemoved(planned, text);
    };
    const asked = (isChanged: boolean) => {
      const clients = question.clients.filter(({ name }) => change(name) === isChanged);
      return simulate(isChanged ? after : source, {
        ...question,
        clients,
        asIf: asIfKnown(question, clients),
      });
    };
    const changed = asked(true);
    const same = asked(false);
    if ('code' in changed) return changed;
    if ('code' in same) return same;
    if (changed.kind !== 'clients' || same.kind !== 'clients') throw new Error('not what was asked');
    const [one, other] = [changed.answers.values(), same.answers.values()];
    const answers = question.clients.map(({ name }) => (change(name) ? one : other).next().value!);
    return { kind: 'clients', answers };
  }

  #tablesOf({ id, files, slots }: PlannedZones, geo: LocationTrie): Tables {
    if (this.#last?.id === id && this.#last.geo === geo) return this.#last.tables;
    const zones = [...files].flatMap(([file, text]) => (text === null ? [] : [this.#zoneOf(file, text)]));
    const slotOf = (key: string) => slots.get(key) ?? SLOT_ALWAYS_UP;
    const aliases = { table: createAliasTable(0), slotOf: () => undefined };
    const { snapshot, index } = compileSnapshot({ id: 1, zones, geo, slotOf, aliases });
    this.#last = { id, geo, tables: { snapshot, index } };
    return this.#last.tables;
  }

  #zoneOf(file: string, text: string): Zone {
    const result = isMaster(file)
      ? loadMasterFile(file, new TextEncoder().encode(text))
      : loadZoneFile(file, text, this.#options);
    if ('problems' in result) throw new Error(`${file} of the plan can't be read any more`);
    return result.zone;
  }
}

/** With nobody to ask for, there is nothing to suppose. */
function asIfKnown(
  { asIf }: Extract<SimulationQuestion, { readonly kind: 'clients' }>,
  clients: readonly object[],
): typeof asIf {
  return clients.length === 0 ? { down: [], up: [] } : asIf;
}

/** The number of the zone that a name is in. */
function zoneOf({ zones }: SnapshotIndex, name: string): number | undefined {
  const found = zones.findIndex((origin) => isIn(name, origin));
  return found < 0 ? undefined : found;
}

function isRemoved({ removed }: PlannedZones, name: string): boolean {
  return removed.some((origin) => isIn(name, origin));
}

function isIn(name: string, origin: string): boolean {
  return origin === '.' || name === origin || name.endsWith(`.${origin}`);
}
