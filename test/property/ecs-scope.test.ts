import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Message } from '../../src/core/dns/message.js';
import { formatAddress } from '../../src/core/dns/rdata/address.js';
import type { LocationTrie } from '../../src/core/geo/location.js';
import { trieOf } from '../support/mmdb-writer.js';
import { type QueryRig, rigOf, zoneText } from '../support/query-rig.js';

/** Addresses and prefixes meet often: all lie in a few networks, with few bits that differ. */
const v4 = fc
  .tuple(fc.constantFrom(20, 21, 84), fc.constantFrom(0, 1, 128), fc.nat(255), fc.nat(255))
  .map((bytes) => Uint8Array.from(bytes));
const v6 = fc
  .tuple(
    fc.constantFrom(0x20, 0x24),
    // 2001::/32 and 2002::/16 embed IPv4 addresses.
    fc.constantFrom(0, 1, 2, 0x10),
    fc.array(fc.constantFrom(0, 1, 0x80, 0xff), { minLength: 14, maxLength: 14 }),
  )
  .map(([a, b, rest]) => Uint8Array.from([a, b, ...rest]));
const address = fc.oneof({ weight: 2, arbitrary: v4 }, { weight: 1, arbitrary: v6 });
const prefix = fc
  .tuple(address, fc.nat(1000))
  .map(([bytes, n]) => masked(bytes, 1 + (n % (8 * bytes.length))));

const place = fc.constantFrom(
  { continent_code: 'EU', country_code: 'DE' },
  { continent_code: 'EU', country_code: 'FR' },
  { continent_code: 'NA', country_code: 'US', state1: 'CA' },
  { continent_code: 'NA', country_code: 'US', asn: 64_500 },
  { continent_code: 'AS', country_code: 'JP' },
);
const geo = fc
  .array(fc.tuple(prefix, place), { maxLength: 12 })
  .map((rows): LocationTrie => trieOf(unnested(rows).map(([text, data]) => ({ prefix: text, data }))));

const POOLS = ['p0', 'p1', 'p2', 'p3'];
const pool = fc.constantFrom(...POOLS);
const rules = fc
  .tuple(
    fc.uniqueArray(prefix, { maxLength: 6 }),
    fc.array(pool, { minLength: 9, maxLength: 9 }),
    fc.boolean(),
  )
  .map(([subnets, to, wide]) => {
    const list = subnets.map((subnet, i) => `{ subnets: ["${subnet}"], pool: ${to[i]} }`);
    if (wide) list.push(`{ geos: [EU, NA-US], pool: ${to[6]} }`, `{ asns: [64500], pool: ${to[7]} }`);
    return [...list, `{ pool: ${to[8]} }`].join(', ');
  });
const picks = fc.array(
  fc.constantFrom('all', 'all, shuffle: false', 'first', 'first, answers: 2', 'hash', 'hash, answers: 2'),
  { minLength: 4, maxLength: 4 },
);

function rigFor(trie: LocationTrie, list: string, pick: readonly string[]): QueryRig {
  const pools = POOLS.map(
    (name, i) =>
      `  ${name}: { region: r${i}, pick: ${pick[i]}, endpoints: [{ A: 192.0.2.${i} }, { A: 192.0.2.1${i} }, { A: 192.0.2.2${i} }] }`,
  );
  // What one region answers must not depend on chance.
  const sure = pick.map((one) => (one.startsWith('all') ? 'hash' : one));
  pools.push(
    ...POOLS.map(
      (_, i) =>
        `  f${i}: { region: r${i}, pick: ${sure[i]}, endpoints: [{ A: 192.0.2.3${i} }, { A: 192.0.2.4${i} }] }`,
    ),
  );
  return rigOf(
    zoneText(
      'example.com',
      `regions: { r0: { location: [50, 9] }, r1: { location: [40, -80] }, r2: { location: [35, 139] }, r3: { location: [48, 2] } }
pools:\n${pools.join('\n')}
records:
  www: { type: A, dynamic: { rules: [${list}] } }
  near: { type: A, dynamic: { steering: nearest, pools: [p0, p1, p2, p3] } }
  alias: { type: ALIAS, value: www.example.com. }
  more: { type: ALIAS, value: near.example.com. }
  three: { type: A, dynamic: { steering: nearest, regions: 3, pools: [f0, f1, f2, f3] } }
`,
    ),
    { geo: trie },
  );
}

describe('the ECS scope', () => {
  it.each([
    'www.example.com',
    'near.example.com',
    'three.example.com',
    'alias.example.com',
    'more.example.com',
  ])('holds addresses with one answer only: %s', (name) => {
    fc.assert(
      fc.property(
        geo,
        rules,
        picks,
        fc.array(fc.tuple(address, address), { minLength: 20, maxLength: 20 }),
        (trie, list, pick, pairs) => {
          const rig = rigFor(trie, list, pick);
          for (const [client, noise] of pairs) {
            const { answers, edns } = rig.ask(name, 'A', { subnet: full(client) });
            const scope = edns!.scope!;
            for (const bits of [scope, scope + 1, scope + 8]) {
              const neighbour = withSuffix(client, noise, scope, bits);
              const other = rig.ask(name, 'A', { subnet: full(neighbour) });
              expect([full(neighbour), sorted(other)]).toEqual([full(neighbour), sorted({ answers })]);
            }
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('is not just the whole address: it is 0 where all clients get the same', () => {
    const rig = rigFor(trieOf([]), '{ subnets: ["20.0.0.0/8"], pool: p0 }, { pool: p0 }', [
      'all',
      'all',
      'all',
      'all',
    ]);
    expect(rig.ask('near.example.com', 'A', { subnet: '84.1.2.3/32' }).edns?.scope).toBe(0);
    expect(rig.ask('www.example.com', 'A', { subnet: '200.1.2.3/32' }).edns?.scope).toBeLessThanOrEqual(1);
  });
});

/** A set, not a list: its order is left to chance. */
function sorted({ answers }: Pick<Message, 'answers'>): readonly string[] {
  return answers.map(({ name, ttl, rdata }) => `${name} ${ttl} ${rdata}`).sort();
}

function full(bytes: Uint8Array): string {
  return `${formatAddress(bytes)}/${8 * bytes.length}`;
}

function masked(bytes: Uint8Array, length: number): string {
  const copy = bytes.map((byte, i) => {
    const kept = Math.min(Math.max(length - 8 * i, 0), 8);
    return byte & (0xff00 >> kept);
  });
  return `${formatAddress(copy)}/${length}`;
}

/** `bytes` with other bits behind the first `scope`: all of `noise`, or one flipped bit at `bit`. */
function withSuffix(bytes: Uint8Array, noise: Uint8Array, scope: number, bit: number): Uint8Array {
  const copy = bytes.slice();
  const total = 8 * bytes.length;
  for (let i = scope; i < total; i++) {
    const mask = 0x80 >> (i & 7);
    const source = noise[(i >> 3) % noise.length]!;
    if (bit === scope ? source & mask : i === bit) copy[i >> 3]! ^= mask;
  }
  return copy;
}

/** Databases have each address once: of two prefixes that meet, the first stays. */
function unnested<T>(rows: readonly (readonly [string, T])[]): readonly (readonly [string, T])[] {
  const kept: (readonly [string, T])[] = [];
  for (const row of rows) if (!kept.some(([other]) => meet(other, row[0]))) kept.push(row);
  return kept;
}

function meet(a: string, b: string): boolean {
  const length = Math.min(...[a, b].map((text) => Number(text.split('/')[1])));
  const families = [a, b].map((text) => text.includes(':'));
  return families[0] === families[1] && cut(a, length) === cut(b, length);
}

function cut(text: string, length: number): string {
  const host = text.split('/')[0]!;
  const bytes = host.includes(':') ? v6Bytes(host) : Uint8Array.from(host.split('.').map(Number));
  return masked(bytes, length);
}

function v6Bytes(host: string): Uint8Array {
  const [head = '', tail = ''] = host.split('::');
  const groups = (part: string) =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const [front, back] = [groups(head), groups(tail)];
  const all = [...front, ...Array(8 - front.length - back.length).fill(0), ...back];
  return Uint8Array.from(all.flatMap((group) => [group >> 8, group & 0xff]));
}
