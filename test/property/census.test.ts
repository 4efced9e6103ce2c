import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DIAL_FULL, POOL } from '../../src/core/answer/snapshot.js';
import type { Outcome } from '../../src/core/census/outcome.js';
import { packHealth, SLOT_DIALLED } from '../../src/core/health/word.js';
import { censusOfName, chiSquare, drawAnswers, poolShares, QUARTERS } from '../support/census-rig.js';
import { type QueryRig, rigOf, zoneText } from '../support/query-rig.js';
import { steerRig } from '../support/steered-rig.js';

const NAME = 'www.example.com';
const MONITORS = 'monitors: { m: { type: tcp, port: 80 } }';
const REGIONS =
  'regions: { de: { location: [50, 8] }, us: { location: [40, -75] }, jp: { location: [35, 139] } }';
const RULES = '{ rules: [{ geos: [EU-DE], pool: a }, { geos: [NA-US], pool: b }, { pool: c }] }';

interface World {
  readonly pools: string;
  readonly dynamic: string;
  readonly extra?: string;
  readonly down?: readonly string[];
  readonly shares?: Readonly<Record<string, number>>;
  /** By pool: what its dial leaves to it, 0 to 1. */
  readonly dials?: Readonly<Record<string, number>>;
  /** Percentages by `FROM>TO`. */
  readonly rollouts?: Readonly<Record<string, number>>;
}

const THREE = `
  a: { region: de, monitor: m, endpoints: [{ A: 10.0.0.1, weight: 3 }, { A: 10.0.0.2, weight: 1 }], fallback: b }
  b: { region: us, monitor: m, pick: hash, endpoints: [{ A: 10.0.1.1, weight: 5 }, { A: 10.0.1.2, weight: 2 }, { A: 10.0.1.3 }], fallback: c }
  c: { region: jp, monitor: m, min_up: 0, endpoints: [{ A: 10.0.2.1, weight: 0 }, { A: 10.0.2.2, weight: 0 }, { A: 10.0.2.3, weight: 4 }] }
`;
const MANY = `
  a: { region: de, monitor: m, pick: weighted, answers: 2, min_up: 0, endpoints: [{ A: 10.0.0.1, weight: 9 }, { A: 10.0.0.2, weight: 3 }, { A: 10.0.0.3 }, { A: 10.0.0.4 }], fallback: b }
  b: { region: us, monitor: m, pick: hash, answers: 3, min_up: 0, endpoints: [{ A: 10.0.1.1, weight: 5 }, { A: 10.0.1.2, weight: 2 }, { A: 10.0.1.3 }, { A: 10.0.1.4, weight: 8 }], fallback: c }
  c: { region: jp, monitor: m, pick: all, min_up: 0, answers: 2, endpoints: [{ A: 10.0.2.1, weight: 7 }, { A: 10.0.2.2 }, { A: 10.0.2.3 }] }
`;
const HASHED = `
  a: { region: de, monitor: m, pick: hash, min_up: 1, endpoints: [{ A: 10.0.0.1 }, { A: 10.0.0.2 }], fallback: b }
  b: { region: us, monitor: m, pick: hash, min_up: 1, endpoints: [{ A: 10.0.1.1 }, { A: 10.0.1.2 }], fallback: c }
  c: { region: jp, monitor: m, min_up: 1, endpoints: [{ A: 10.0.2.1 }, { A: 10.0.2.2 }] }
`;
const WEIGHTED = '{ steering: weighted, pools: { a: 5, b: 2, c: 0 } }';

const WORLDS: Readonly<Record<string, World>> = {
  'rules, all up': { pools: THREE, dynamic: RULES },
  'rules, fallbacks and spares': { pools: THREE, dynamic: RULES, down: ['10.0.0.1', '10.0.0.2', '10.0.2.3'] },
  'ramps in a chain': {
    pools: THREE,
    dynamic: RULES,
    shares: { '10.0.0.1': 100, '10.0.0.2': 30, '10.0.1.2': 7 },
  },
  'clients that stay with a hash': {
    pools: HASHED,
    dynamic: RULES,
    shares: { '10.0.0.1': 100, '10.0.0.2': 60, '10.0.1.1': 180, '10.0.1.2': 200, '10.0.2.2': 128 },
  },
  'a hash in front of what passes on by a draw': {
    pools: HASHED.replace('b: { region: us, monitor: m, pick: hash', 'b: { region: us, monitor: m'),
    dynamic: RULES,
    shares: { '10.0.0.1': 100, '10.0.0.2': 60, '10.0.1.1': 40, '10.0.1.2': 200, '10.0.2.2': 128 },
  },
  'several answers': { pools: MANY, dynamic: RULES },
  'several answers of what comes back': {
    pools: MANY,
    dynamic: RULES,
    down: ['10.0.0.1'],
    shares: { '10.0.0.2': 20, '10.0.1.4': 13, '10.0.2.1': 1 },
  },
  'weighted pools': { pools: THREE, dynamic: WEIGHTED, shares: { '10.0.0.1': 64, '10.0.0.2': 64 } },
  'weighted pools, all down, open': {
    pools: HASHED,
    dynamic: WEIGHTED,
    down: ['10.0.0.1', '10.0.1.1', '10.0.2.1', '10.0.0.2', '10.0.1.2', '10.0.2.2'],
  },
  'all down, closed': {
    pools: HASHED,
    dynamic: RULES,
    extra: 'fail: closed,',
    down: ['10.0.0.1', '10.0.1.1', '10.0.2.1'],
  },
  'all down, another pool': {
    pools: MANY.replaceAll('min_up: 0', 'min_up: 1'),
    dynamic: RULES,
    extra: 'fail: { pool: b },',
    down: ['10.0.0.1', '10.0.1.1', '10.0.2.1'],
  },
  'dials in a chain': {
    pools: THREE,
    dynamic: RULES,
    dials: { a: 0.3, b: 0.5 },
    shares: { '10.0.1.1': 100 },
  },
  'dials of pools that pick by hash': {
    pools: HASHED,
    dynamic: RULES,
    dials: { a: 0.3, b: 0.6, c: 0.5 },
    shares: { '10.0.0.1': 100, '10.0.1.1': 200 },
  },
  'dials of weighted pools': { pools: THREE, dynamic: WEIGHTED, dials: { a: 0.25, c: 0.5 } },
  'dials of all weighted pools': { pools: HASHED, dynamic: WEIGHTED, dials: { a: 0.25, b: 0.5, c: 0.1 } },
  'dials of regions': {
    pools: MANY,
    dynamic: '{ steering: nearest, regions: 2, pools: [a, b, c] }',
    dials: { a: 0.25, b: 0.75 },
  },
  'a canary in a chain': { pools: THREE, dynamic: RULES, rollouts: { 'a>c': 5 } },
  'canaries side by side, of what picks by hash': {
    pools: HASHED,
    dynamic: RULES,
    rollouts: { 'a>c': 25, 'b>c': 60 },
  },
  'a canary of weighted pools, one of them coming back': {
    pools: THREE,
    dynamic: WEIGHTED,
    rollouts: { 'a>c': 50 },
    shares: { '10.0.0.1': 64, '10.0.0.2': 64 },
  },
  'a canary whose old pool is down': {
    pools: THREE,
    dynamic: RULES,
    rollouts: { 'a>c': 30 },
    down: ['10.0.0.1', '10.0.0.2'],
  },
  'a canary whose new pool is down': {
    pools: HASHED,
    dynamic: RULES,
    rollouts: { 'a>c': 30 },
    down: ['10.0.2.1', '10.0.2.2'],
  },
  'a canary where all is down, open': {
    pools: HASHED,
    dynamic: WEIGHTED,
    rollouts: { 'a>c': 40 },
    down: ['10.0.0.1', '10.0.1.1', '10.0.2.1', '10.0.0.2', '10.0.1.2', '10.0.2.2'],
  },
  'canaries of what is dialled': {
    pools: HASHED,
    dynamic: WEIGHTED,
    rollouts: { 'a>c': 40 },
    dials: { a: 0.25, b: 0.5 },
  },
  'canaries in regions': {
    pools: MANY,
    dynamic: '{ steering: nearest, regions: 2, pools: [a, b] }',
    rollouts: { 'a>c': 25 },
  },
  'the two nearest regions': { pools: MANY, dynamic: '{ steering: nearest, regions: 2, pools: [a, b, c] }' },
};

function rigFor({
  pools,
  dynamic,
  extra = '',
  down = [],
  shares = {},
  dials = {},
  rollouts,
}: World): QueryRig {
  const records = `records: { www: { type: A, ${extra} dynamic: ${dynamic} } }`;
  const rig = rigOf(zoneText('example.com', [MONITORS, REGIONS, `pools:${pools}`, records].join('\n')), {
    geo: QUARTERS,
  });
  rig.set('up', ...rig.hosts);
  rig.set('down', ...down);
  if (rollouts) steerRig(rig, { rollouts });
  for (const [host, share] of Object.entries(shares)) rig.share(share, host);
  for (const [name, part] of Object.entries(dials)) dial(rig, name, part);
  return rig;
}

function dial(rig: QueryRig, name: string, part: number): void {
  const { snapshot, index } = rig.compiled;
  const pool = index.pools.findIndex((one) => one?.pool.name === name) * POOL.STRIDE;
  snapshot.pools[pool + POOL.DIAL] = Math.round(part * DIAL_FULL);
  snapshot.pools[pool + POOL.SHED] = SLOT_DIALLED;
}

/** Five standard deviations, and a little for shares near 0 and 1. */
function expectPresence(outcome: Outcome, drawn: ReadonlyMap<number, number>, count: number): void {
  const presence = new Map(outcome.answers.map(({ number, presence: one }) => [number, one]));
  for (const endpoint of drawn.keys()) expect(presence.has(endpoint)).toBe(true);
  for (const [endpoint, share] of presence) {
    const off = Math.abs((drawn.get(endpoint) ?? 0) - share * count);
    expect(off).toBeLessThan(5 * Math.sqrt(count * share * (1 - share)) + 3);
  }
}

describe('the census', () => {
  it.each(Object.entries(WORLDS))(
    'agrees with 100,000 answers for every class: %s',
    (_, world) => {
      const rig = rigFor(world);
      const census = censusOfName(rig, QUARTERS, `${NAME}.`);
      const rows = census.rows.filter(({ family }) => family === 4);
      const count = 100_000;
      for (const [i, { outcome: place, sample }] of rows.entries()) {
        const outcome = census.outcomes[place]!;
        const drawn = drawAnswers(rig, NAME, sample, count, 17 + i);
        // An answer from several regions is counted under its first pool.
        if (!world.dynamic.includes('regions: 2')) {
          const pools = chiSquare(poolShares(outcome), drawn.pools, count);
          expect(pools.value).toBeLessThan(pools.limit);
        }
        const single = outcome.answers.reduce((sum, { presence }) => sum + presence, 0) <= 1 + 1e-9;
        if (single && outcome.empty === 0) {
          const shares = new Map(outcome.answers.map(({ number, share }) => [number, share]));
          const { value, limit } = chiSquare(shares, drawn.endpoints, count);
          expect(value).toBeLessThan(limit);
        }
        expectPresence(outcome, drawn.endpoints, count);
        const shares = outcome.answers.reduce((sum, { share }) => sum + share, outcome.empty);
        expect(shares).toBeCloseTo(1, 9);
      }
    },
    60_000,
  );

  const endpoint = fc.record({
    weight: fc.integer({ min: 0, max: 9 }),
    word: fc.constantFrom('up', 'up', 'down', 40, 200),
  });
  const pool = fc.record({
    pick: fc.constantFrom('weighted', 'all', 'first', 'hash'),
    answers: fc.integer({ min: 1, max: 4 }),
    minUp: fc.constantFrom(0, 0.5, 1),
    endpoints: fc
      .array(endpoint, { minLength: 1, maxLength: 6 })
      .filter((list) => list.some(({ weight }) => weight > 0)),
  });
  const dialled = fc.constantFrom(1, 1, 0.5, 0.2);
  const world = fc.record({
    pools: fc.tuple(pool, pool, pool),
    dynamic: fc.constantFrom(RULES, WEIGHTED, '{ steering: failover, pools: [a, b, c] }'),
    fail: fc.constantFrom('open', 'closed', '{ pool: c }'),
    dials: fc.tuple(dialled, dialled, dialled),
    seed: fc.integer({ min: 1, max: 1e6 }),
  });

  it('agrees with answers whatever pools, picks, weights and health are', () => {
    fc.assert(
      fc.property(world, ({ pools, dynamic, fail, dials, seed }) => {
        const texts = pools.map(({ pick, answers, minUp, endpoints }, p) => {
          const list = endpoints.map(({ weight }, i) => `{ A: 10.0.${p}.${i + 1}, weight: ${weight} }`);
          const fallback = p < 2 ? `, fallback: ${'abc'[p + 1]}` : '';
          const many = answers === 1 ? '' : `answers: ${answers}, `;
          return `  ${'abc'[p]}: { monitor: m, pick: ${pick}, ${many}min_up: ${minUp}, endpoints: [${list.join(', ')}]${fallback} }`;
        });
        const rig = rigFor({ pools: `\n${texts.join('\n')}`, dynamic, extra: `fail: ${fail},` });
        for (const [p, part] of dials.entries()) if (part < 1) dial(rig, 'abc'[p]!, part);
        for (const [p, { endpoints }] of pools.entries()) {
          for (const [i, { word }] of endpoints.entries()) {
            const up = { down: word === 'down', forced: false, unknown: false, ttlSeconds: 30 };
            const share = typeof word === 'number' ? { share: word } : {};
            rig.write(`10.0.${p}.${i + 1}`, packHealth({ ...up, ...share }));
          }
        }
        const { rows, outcomes } = censusOfName(rig, QUARTERS, `${NAME}.`);
        for (const { family, outcome, sample } of rows) {
          if (family !== 4) continue;
          const count = 1500;
          expectPresence(outcomes[outcome]!, drawAnswers(rig, NAME, sample, count, seed).endpoints, count);
        }
      }),
      { numRuns: 30 },
    );
  }, 60_000);
});
