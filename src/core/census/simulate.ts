import { ask, LOOPBACK } from '../answer/ask.js';
import { COUNTER } from '../answer/counters.js';
import { nameOf } from '../answer/name-table.js';
import { createQuery } from '../answer/query.js';
import { RRSET } from '../answer/snapshot.js';
import { rcodeName, typeName } from '../dns/iana.js';
import type { ClientSubnet } from '../dns/message.js';
import { formatName } from '../dns/name.js';
import { type AsIf, suppose, type UnknownSubject } from './as-if.js';
import { Census, type CensusSource, dynamicRRsets } from './census.js';
import { type FoundDynamic, findDynamic } from './find-dynamic.js';
import type { PlaceKind } from './places.js';
import { type FamilyWorld, worldOf } from './world.js';

/** Clients in one question. */
export const CLIENTS_MAX = 1000;
/** Dynamic RRsets of a zone that are taken together. */
export const RRSETS_MAX = 10_000;

export interface SimulatedClient {
  /** Wire form. */
  readonly name: Uint8Array;
  readonly type: number;
  readonly subnet?: ClientSubnet;
}

export interface ClientsQuestion {
  readonly kind: 'clients';
  readonly clients: readonly SimulatedClient[];
  readonly asIf: AsIf;
  /** Seed of the weighted choices. */
  readonly seed: number;
  readonly nowSeconds: number;
}

/** Of one name, or of all dynamic names of a zone (its origin). */
export type WorldScope =
  | { readonly name: Uint8Array; readonly type: number }
  | { readonly zone: string; readonly type?: number };

export interface WorldOfQuestion {
  readonly kind: 'world';
  readonly scope: WorldScope;
  readonly by: PlaceKind;
  readonly families: readonly (4 | 6)[];
  readonly placesMax: number;
  readonly asIf: AsIf;
}

export type SimulationQuestion = ClientsQuestion | WorldOfQuestion;

export interface ClientAnswer {
  readonly rcode: string;
  readonly ttl?: number;
  readonly scope?: number;
  /** `A 192.0.2.1`, in the order of the answer. */
  readonly answers: readonly { readonly type: string; readonly rdata: string }[];
  /** The pool that answered, where one was chosen. */
  readonly pool?: string;
}

export interface ClientsAnswer {
  readonly kind: 'clients';
  /** In the order of the question. */
  readonly answers: readonly ClientAnswer[];
}

export interface WorldAnswer {
  readonly kind: 'world';
  /** The dynamic RRsets that were counted. */
  readonly records: readonly { readonly name: string; readonly type: string }[];
  readonly families: readonly FamilyWorld[];
}

/** Why there is no answer. `static`: every client gets the same. */
export type SimulationProblem =
  | UnknownSubject
  | { readonly code: 'unknown_name' | 'unknown_zone' | 'static' | 'too_many_records' };

/**
 * Answers a question about many clients, by the query path itself, or about the whole world, by a census. `source.health`
 * is read while this runs.
 */
export function simulate(
  source: CensusSource,
  question: SimulationQuestion,
): ClientsAnswer | WorldAnswer | SimulationProblem {
  const { snapshot, index, health } = source;
  const supposed = suppose(snapshot, index, health, question.asIf);
  if ('code' in supposed) return supposed;
  const after = { ...source, snapshot: supposed.snapshot, health: supposed.health };
  if (question.kind === 'clients') return simulateClients(after, question);
  const rrsets = rrsetsOf(source, question.scope);
  if ('code' in rrsets) return rrsets;
  const isSupposed = supposed.snapshot !== snapshot;
  const before = isSupposed ? new Census(source) : undefined;
  const census = new Census(after);
  const { by, placesMax } = question;
  return {
    kind: 'world',
    records: rrsets.slice(0, RECORDS_NAMED_MAX).map(({ node, rrset }) => ({
      name: formatName(nameOf(snapshot, node)),
      type: typeName(snapshot.nodes[rrset + RRSET.TYPE]!),
    })),
    families: question.families.map((family) =>
      worldOf(snapshot, source.geo, census, { rrsets, by, family, placesMax }, before),
    ),
  };
}

const RECORDS_NAMED_MAX = 1000;

function simulateClients(source: CensusSource, question: ClientsQuestion): ClientsAnswer {
  const { snapshot, index, health } = source;
  const query = createQuery(snapshot, health, new Float64Array(COUNTER.SIZE), question.seed);
  const { nowSeconds } = question;
  const answers = question.clients.map((client): ClientAnswer => {
    const message = ask(query, { ...client, source: LOOPBACK, nowSeconds });
    const ttls = message.answers.map(({ ttl }) => ttl);
    const pool = query.pool < 0 ? undefined : index.pools[query.pool]?.pool.name;
    return {
      rcode: rcodeName(message.rcode),
      ...(ttls.length > 0 && { ttl: Math.min(...ttls) }),
      ...(message.edns?.scope !== undefined && client.subnet && { scope: message.edns.scope }),
      answers: message.answers.map(({ type, rdata }) => ({ type: typeName(type), rdata })),
      ...(pool !== undefined && { pool }),
    };
  });
  return { kind: 'clients', answers };
}

function rrsetsOf(source: CensusSource, scope: WorldScope): readonly FoundDynamic[] | SimulationProblem {
  const { snapshot, health, index } = source;
  if ('name' in scope) {
    const found = findDynamic(snapshot, health, scope.name, scope.type);
    if (found === 'no-name') return { code: 'unknown_name' };
    return found === 'none' ? { code: 'static' } : [found];
  }
  if (!index.zones.includes(scope.zone)) return { code: 'unknown_zone' };
  const found: FoundDynamic[] = [];
  for (const one of dynamicRRsets(source, scope.zone)) {
    const type = snapshot.nodes[one.rrset + RRSET.TYPE]!;
    if (scope.type !== undefined && type !== scope.type) continue;
    found.push(one);
    if (found.length > RRSETS_MAX) return { code: 'too_many_records' };
  }
  if (found.length === 0) return { code: 'static' };
  // In the order of the zone file, which is that of the table.
  return found.sort((a, b) => a.rrset - b.rrset);
}
