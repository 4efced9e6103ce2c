import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createAliasTable, writeAliasSlot } from '../../src/core/answer/alias-slot.js';
import { answer } from '../../src/core/answer/answer.js';
import type { CompileModules } from '../../src/core/answer/build.js';
import { compileSnapshot } from '../../src/core/answer/compile.js';
import { COUNTER } from '../../src/core/answer/counters.js';
import { createQuery, setPacket } from '../../src/core/answer/query.js';
import type { Snapshot } from '../../src/core/answer/snapshot.js';
import { World } from '../../src/core/answer/world.js';
import { TYPE } from '../../src/core/dns/iana.js';
import { packHealth } from '../../src/core/health/word.js';
import type { Zone } from '../../src/core/zone/model.js';
import { outsideNames } from '../../src/core/zone/outside-names.js';
import { loadZoneFile } from '../../src/sources/zone-file.js';
import { trieOf } from '../support/mmdb-writer.js';
import { packet } from '../support/packet.js';
import { subnetOption, zoneText } from '../support/query-rig.js';

/** Zones in and beside each other, so that names of one hide those of another, and aliases cross. */
const ORIGINS = ['example.com', 'sub.example.com', 'deep.sub.example.com', 'example.org', 'org'] as const;
const OWNERS = [
  'www',
  'a.b',
  "'*'",
  'sub',
  'deep.sub',
  'x.sub',
  'y.deep.sub',
  "'*.sub'",
  'example',
  'old',
] as const;
const TARGETS = [
  ...ORIGINS.flatMap((origin) => [`www.${origin}.`, `a.b.${origin}.`, `x.sub.${origin}.`, `${origin}.`]),
  'q.old.example.org.',
  'nowhere.example.com.',
  'far.test.',
  'farther.test.',
];

const target = fc.constantFrom(...TARGETS);
const address = fc.integer({ min: 1, max: 250 }).map((i) => `192.0.2.${i}`);
const pool = fc.constantFrom('p', 'q', 'names');
const record = fc.oneof(
  address.map((value) => `{ type: A, value: ${value} }`),
  address.map((value) => `{ type: TXT, value: "${value}" }`),
  target.map((value) => `{ type: CNAME, value: ${value} }`),
  target.map((value) => `{ type: ALIAS, value: ${value} }`),
  target.map((value) => `{ type: DNAME, value: ${value} }`),
  target.map((value) => `{ type: NS, value: ${value} }`),
  target.map((value) => `{ type: MX, value: { preference: 1, exchange: ${value} } }`),
  target.map(
    (value) =>
      `{ type: HTTPS, value: { svcpriority: 1, targetname: ${value}, svcparams: { ipv4hint: auto } } }`,
  ),
  pool.map((name) => `{ type: A, dynamic: { rules: [{ geos: [EU], pool: q }, { pool: ${name} }] } }`),
  pool.map((name) => `{ type: A, dynamic: { rules: [{ geos: [AS], pool: p }, { pool: ${name} }] } }`),
  fc.constant('{ type: CNAME, dynamic: { pools: [names] } }'),
);
const content = fc.tuple(
  fc.array(fc.tuple(fc.constantFrom(...OWNERS), record), { maxLength: 7 }),
  fc.array(address, { minLength: 1, maxLength: 3 }),
  fc.array(target, { minLength: 1, maxLength: 2 }),
);
const edit = fc.record({
  origin: fc.constantFrom(...ORIGINS),
  content: fc.option(content, { freq: 4 }),
  /** Whether the readers of the snapshot before are gone by then. */
  reclaim: fc.boolean(),
});

/** Undefined where the records do not go together. */
function zoneOf(
  origin: string,
  [records, addresses, names]: readonly [
    readonly (readonly [string, string])[],
    readonly string[],
    readonly string[],
  ],
): Zone | undefined {
  const byOwner = new Map(records);
  const lines = [...byOwner].map(([owner, text]) => `  ${owner}: ${text}\n`);
  const list = (values: readonly string[], key: string) =>
    [...new Set(values)].map((value) => `{ ${key}: ${value} }`).join(', ');
  const body = `monitors: { m: { type: tcp, port: 80 } }
pools:
  p: { monitor: m, pick: all, endpoints: [${list(addresses, 'A')}] }
  q: { endpoints: [${list(addresses.slice(0, 1), 'A')}] }
  names: { endpoints: [${list(names, 'CNAME')}] }
records:
${lines.join('')}`;
  const result = loadZoneFile(
    'test.yaml',
    zoneText(origin, lines.length > 0 ? body : body.replace('records:\n', '')),
    { serial: 1 },
  );
  return 'zone' in result ? result.zone : undefined;
}

const GEO = trieOf([
  { prefix: '198.51.100.0/24', data: { country_code: 'DE', continent: { code: 'EU' } } },
  { prefix: '203.0.113.0/24', data: { country_code: 'JP', continent: { code: 'AS' } } },
]);
const HEALTH = Int32Array.from({ length: 4096 }, (_, i) =>
  packHealth({ down: i % 5 === 4, forced: false, unknown: false, ttlSeconds: 300 }),
);
const ALIASES = createAliasTable(64);
for (let slot = 0; slot < 64; slot++) {
  writeAliasSlot(ALIASES, slot, { v4: [Uint8Array.of(10, 0, 0, slot)], v6: [], expires: 1000 });
}

const LABELS = [
  '',
  'www.',
  'a.b.',
  'b.',
  'q.',
  'sub.',
  'x.sub.',
  'q.sub.',
  'q.x.sub.',
  'y.deep.sub.',
  'deep.sub.',
  'example.',
  'q.old.',
];
const NAMES = [...new Set(ORIGINS.flatMap((origin) => LABELS.map((label) => `${label}${origin}`)))];
const TYPES = [TYPE.A, TYPE.DS, TYPE.HTTPS, TYPE.CNAME];
const CLIENTS = ['198.51.100.0/24', '203.0.113.0/24'];
const PACKETS = NAMES.flatMap((name) =>
  TYPES.flatMap((type) =>
    (type === TYPE.A ? CLIENTS : CLIENTS.slice(1)).map((subnet) =>
      packet({ name, type, opts: [{ payload: 1232, options: [[8, subnetOption(subnet)]] }] }),
    ),
  ),
);

/** All answers of a snapshot. */
function answers(snapshot: Snapshot): readonly string[] {
  const output = new Uint8Array(65_535);
  return PACKETS.map((bytes) => {
    const query = createQuery(snapshot, HEALTH, new Float64Array(COUNTER.SIZE), 7);
    setPacket(query, bytes, 0, bytes.length, output, 0);
    query.transportLimit = 1232;
    query.source = Uint8Array.of(192, 0, 2, 200);
    query.nowSeconds = 1;
    return Buffer.from(output.subarray(0, answer(query))).toString('hex');
  });
}

/** Slots that a name keeps as long as it is outside: another one afterwards. */
class Slots {
  readonly #slots = new Map<string, number>();
  #next = 0;

  modules(id: number, zones: readonly Zone[]): CompileModules {
    const outside = new Set(outsideNames(zones));
    for (const name of this.#slots.keys()) if (!outside.has(name)) this.#slots.delete(name);
    for (const name of outside) if (!this.#slots.has(name)) this.#slots.set(name, this.#next++ % 64);
    const slots = new Map(this.#slots);
    return {
      id,
      slotOf: (key) => 2 + (key.length % 97),
      aliases: { table: ALIASES, slotOf: (name) => slots.get(name) },
    };
  }
}

describe('a world of zones', () => {
  it('answers after any edits as if all of it had been compiled anew, and before as it did', () => {
    let edits = 0;
    fc.assert(
      fc.property(fc.array(edit, { minLength: 4, maxLength: 10 }), (list) => {
        const slots = new Slots();
        const served = new Map<string, Zone>();
        /** Snapshots that somebody may answer from, with what they answered at first. */
        let seen: { readonly snapshot: Snapshot; readonly answers: readonly string[] }[] = [];
        const world = new World({ ...slots.modules(1, []), zones: [], geo: GEO }, { spacious: true });
        for (const [i, { origin, content: wanted, reclaim }] of list.entries()) {
          const zone = wanted ? zoneOf(origin, wanted) : undefined;
          const name = `${origin}.`;
          if ((wanted && !zone) || (!zone && !served.has(name))) continue;
          edits++;
          const isNew = zone !== undefined && !served.has(name);
          if (zone) served.set(name, zone);
          else served.delete(name);
          const moved = isNew || !zone ? world.above([name]) : [];
          const modules = slots.modules(i + 2, [...served.values()]);
          seen.push({ snapshot: world.snapshot, answers: answers(world.snapshot) });
          const put = [...(zone ? [zone] : []), ...moved.map((above) => served.get(above)!)];
          world.change({ ...modules, put, drop: zone ? [] : [name] });
          const after = world.snapshot;
          const fresh = compileSnapshot({ ...modules, zones: [...served.values()], geo: GEO });
          expect(answers(after)).toEqual(answers(fresh.snapshot));
          for (const before of seen) expect(answers(before.snapshot)).toEqual(before.answers);
          expect(after.zoneCount).toBe(served.size);
          if (!reclaim) continue;
          seen = [];
          world.reclaim();
        }
      }),
      { numRuns: 20 },
    );
    expect(edits).toBeGreaterThan(40);
  });
});
