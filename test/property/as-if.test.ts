import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { explain } from '../../src/core/answer/explain.js';
import { suppose } from '../../src/core/census/as-if.js';
import { QUARTERS } from '../support/census-rig.js';
import { wireOf } from '../support/packet.js';
import { addressOf, type QueryRig, rigOf, zoneText } from '../support/query-rig.js';

const ZONE = zoneText(
  'example.com',
  `monitors: { m: { type: tcp, port: 80 } }
regions: { de: { location: [50, 8] }, us: { location: [40, -75] } }
pools:
  a: { region: de, monitor: m, endpoints: [{ A: 10.0.0.1, weight: 3 }, { A: 10.0.0.2 }, { A: 10.0.0.3, weight: 0 }], fallback: b }
  b: { region: us, monitor: m, pick: hash, endpoints: [{ A: 10.0.1.1 }, { A: 10.0.1.2, weight: 2 }], fallback: c }
  c: { region: us, monitor: m, pick: all, endpoints: [{ A: 10.0.2.1 }, { A: 10.0.2.2 }] }
records:
  rules: { type: A, ttl: { min: 1, max: 60 }, dynamic: { rules: [{ geos: [EU-DE], pool: a }, { geos: [NA-US], pool: b }, { pool: c }] } }
  split: { type: A, fail: closed, dynamic: { steering: weighted, pools: { a: 2, b: 1 } } }
  near: { type: A, dynamic: { steering: nearest, regions: 2, pools: [a, b, c] } }
`,
);
const HOSTS: Readonly<Record<string, readonly string[]>> = {
  'pool:a': ['10.0.0.1', '10.0.0.2', '10.0.0.3'],
  'region:us': ['10.0.1.1', '10.0.1.2', '10.0.2.1', '10.0.2.2'],
  b: ['10.0.1.1', '10.0.1.2'],
  'example.com/c': ['10.0.2.1', '10.0.2.2'],
  'endpoint:10.0.0.1': ['10.0.0.1'],
  '10.0.2.2': ['10.0.2.2'],
  'example.com/b/10.0.1.2': ['10.0.1.2'],
};

const subject = fc.constantFrom(...Object.keys(HOSTS));
const host = fc.constantFrom(...new Set(Object.values(HOSTS).flat()));

function explained(
  rig: QueryRig,
  name: string,
  subnet: string,
  seed: number,
  asIf: { down: string[]; up: string[] },
) {
  const { snapshot, index } = rig.compiled;
  const supposed = suppose(snapshot, index, rig.health, asIf);
  if ('code' in supposed) throw new Error(`${supposed.subject} is not known`);
  const request = {
    name: wireOf(name),
    type: 1,
    source: addressOf('127.0.0.1'),
    subnet: { address: addressOf(subnet), sourcePrefix: 24 },
    seed,
  };
  const { answers, rcode, scope, steps } = explain(supposed.snapshot, index, supposed.health, request);
  return { answers, rcode, scope, steps: steps.map(({ text }) => text) };
}

describe('explain as if', () => {
  it('says what the answer is once the health words really are so', () => {
    fc.assert(
      fc.property(
        fc.array(subject, { maxLength: 3 }),
        fc.array(subject, { maxLength: 2 }),
        fc.array(host, { maxLength: 4 }),
        fc.constantFrom('rules.example.com', 'split.example.com', 'near.example.com'),
        fc.constantFrom('10.0.0.0', '70.0.0.0', '130.0.0.0', '200.0.0.0'),
        fc.integer({ min: 1, max: 1e6 }),
        (down, up, reallyDown, name, subnet, seed) => {
          const rig = rigOf(ZONE, { geo: QUARTERS });
          rig.set('up', ...rig.hosts);
          rig.set('down', ...reallyDown);
          const untouched = [...rig.health];
          const supposed = explained(rig, name, subnet, seed, { down, up });
          expect([...rig.health]).toEqual(untouched);
          rig.set('down', ...down.flatMap((one) => HOSTS[one]!));
          rig.set('up', ...up.flatMap((one) => HOSTS[one]!));
          expect(supposed).toEqual(explained(rig, name, subnet, seed, { down: [], up: [] }));
        },
      ),
      { numRuns: 100 },
    );
  }, 60_000);

  it('names what there is where a subject is not known', () => {
    const rig = rigOf(ZONE, { geo: QUARTERS });
    const { snapshot, index } = rig.compiled;
    const found = suppose(snapshot, index, rig.health, { down: ['pool:de'], up: [] });
    expect(found).toEqual({
      code: 'unknown_subject',
      subject: 'pool:de',
      known: ['pool:a', 'pool:b', 'pool:c'],
    });
  });

  it('leaves another pool with the same address alone', () => {
    const rig = rigOf(
      zoneText(
        'example.com',
        `monitors: { m: { type: tcp, port: 80 } }
pools: { a: { monitor: m, endpoints: [{ A: 10.0.0.1 }] }, b: { monitor: m, endpoints: [{ A: 10.0.0.1 }, { A: 10.0.0.2 }] } }
records: { www: { type: A, dynamic: { steering: failover, pools: [a, b] } } }
`,
      ),
    );
    rig.set('up', ...rig.hosts);
    const { steps } = explained(rig, 'www.example.com', '10.0.0.0', 1, { down: ['a'], up: [] });
    expect(steps).toContain('pool b (A): weight 2 of 2 is up, it serves');
  });
});
