import { answer } from '../../src/core/answer/answer.js';
import { createQuery, setPacket } from '../../src/core/answer/query.js';
import { SILENT_TRACE } from '../../src/core/answer/trace.js';
import { Census, type RRsetCensus } from '../../src/core/census/census.js';
import type { Outcome } from '../../src/core/census/outcome.js';
import { encodeQuery } from '../../src/core/dns/message.js';
import type { Location, LocationTrie } from '../../src/core/geo/location.js';
import { wireOf } from './packet.js';
import type { QueryRig } from './query-rig.js';
import { addressOf } from './query-rig.js';

/** Four countries, each with a quarter of IPv4; and of IPv6 what begins with the same two bits. */
export const QUARTERS: LocationTrie = {
  nodes: Int32Array.of(1, 2, ~1, ~2, ~3, ~4, 4, 5, ~1, ~2, ~3, ~4),
  v4: 0,
  v6: 3,
  locations: [{}, ...['DE', 'US', 'JP', 'BR'].map((country): Location => ({ country }))],
};

export function censusOf(rig: QueryRig, geo: LocationTrie): Census {
  const { snapshot, index } = rig.compiled;
  return new Census({ snapshot, index, health: rig.health, geo });
}

export function censusOfName(rig: QueryRig, geo: LocationTrie, name: string): RRsetCensus {
  const found = [...censusOf(rig, geo).ofZone()].find((one) => one.name === name);
  if (!found) throw new Error(`${name} is not dynamic`);
  return found;
}

/** How often each endpoint was answered, and how often each pool; -1 where none was. */
export interface Drawn {
  readonly endpoints: ReadonlyMap<number, number>;
  readonly pools: ReadonlyMap<number, number>;
  readonly records: number;
}

/**
 * Asks the query path `count` times for an IPv4 client; each time another /24 with the same first two bits as
 * `sample`.
 */
export function drawAnswers(rig: QueryRig, name: string, sample: string, count: number, seed: number): Drawn {
  const { snapshot } = rig.compiled;
  const query = createQuery(snapshot, rig.health, new Float64Array(64), seed);
  const input = encodeQuery({
    id: 0,
    name: wireOf(name),
    type: 1,
    edns: { payloadSize: 4096, subnet: { address: addressOf(sample), sourcePrefix: 24 } },
  });
  const endpoints = new Map<number, number>();
  const pools = new Map<number, number>();
  let records = 0;
  query.trace = {
    ...SILENT_TRACE,
    endpoint: (endpoint) => {
      records++;
      endpoints.set(endpoint, (endpoints.get(endpoint) ?? 0) + 1);
    },
  };
  const output = new Uint8Array(4096);
  setPacket(query, input, 0, input.length, output, 0);
  query.stream = true;
  query.transportLimit = 4096;
  query.source = Uint8Array.of(127, 0, 0, 1);
  query.sourceFamily = 4;
  const at = input.length - 3;
  const start = (input[at]! & 0xc0) << 16;
  // Another start for another seed, and an odd step: no /24 comes twice in four million.
  let client = (seed * 7919) & 0x3fffff;
  for (let i = 0; i < count; i++) {
    client = (client + 0x19660d) & 0x3fffff;
    const prefix = start | client;
    input[at] = prefix >>> 16;
    input[at + 1] = (prefix >>> 8) & 0xff;
    input[at + 2] = prefix & 0xff;
    if (answer(query) === 0) throw new Error('no answer');
    pools.set(query.pool, (pools.get(query.pool) ?? 0) + 1);
  }
  return { endpoints, pools, records };
}

/** Whether draws agree with an outcome: the chi-square value and its limit for one in a million, of the pools. */
export function chiSquare(
  expected: ReadonlyMap<number, number>,
  drawn: ReadonlyMap<number, number>,
  count: number,
): { readonly value: number; readonly limit: number } {
  for (const [category, times] of drawn) {
    if (times > 0 && !expected.has(category)) return { value: Number.POSITIVE_INFINITY, limit: 0 };
  }
  let value = 0;
  for (const [category, share] of expected) {
    const wanted = share * count;
    value += ((drawn.get(category) ?? 0) - wanted) ** 2 / wanted;
  }
  return { value, limit: chiSquareLimit(expected.size - 1) };
}

/** Wilson and Hilferty 1931. One in a million is 4.753 standard deviations. */
function chiSquareLimit(freedom: number): number {
  if (freedom === 0) return 1e-6;
  const part = 2 / (9 * freedom);
  return freedom * (1 - part + 4.753 * Math.sqrt(part)) ** 3;
}

export function poolShares({ pools, empty }: Outcome): ReadonlyMap<number, number> {
  const shares = new Map<number, number>(empty > 0 ? [[-1, empty]] : []);
  for (const { number, share } of pools) shares.set(number, (shares.get(number) ?? 0) + share);
  return shares;
}
