import { describe, expect, it } from 'vitest';
import { isEmptyDifference, zoneDifference } from '../../../../src/core/zone/difference.js';
import type { Zone } from '../../../../src/core/zone/model.js';
import { loadZoneFile } from '../../../../src/sources/zone-file.js';

function load(rest: string, serial = 1): Zone {
  const text = `zone: example.com\nnameservers: { ns1: { A: 192.0.2.53 } }\n${rest}`;
  const result = loadZoneFile('zone.yaml', text, { serial });
  if ('problems' in result) throw new Error(JSON.stringify(result.problems));
  return result.zone;
}

const RECORDS = `
records:
  a: { type: A, value: 192.0.2.1 }
  b: { type: A, value: 192.0.2.2 }
  d: { type: A, dynamic: { rules: [{ pool: p }] } }
pools: { p: { endpoints: [{ A: 192.0.2.3 }] } }
`;

describe('zoneDifference()', () => {
  it('is empty for equal zones, whatever their serials', () => {
    expect(isEmptyDifference(zoneDifference(load(RECORDS, 1), load(RECORDS, 2)))).toBe(true);
  });

  it('tells added, removed and changed RRsets, pools and the SOA', () => {
    const after = load(`
soa: { minimum: 60 }
records:
  a: { type: A, value: 192.0.2.9 }
  c: { type: TXT, value: new }
  d: { type: A, dynamic: { rules: [{ pool: p }] } }
pools: { p: { endpoints: [{ A: 192.0.2.3, weight: 2 }] } }
monitors: { m: { type: http } }
`);
    const difference = zoneDifference(load(RECORDS), after);
    expect(difference.rrsets.map(({ kind, name, type }) => `${kind} ${name} ${type}`)).toEqual([
      'removed b.example.com. A',
      'changed a.example.com. A',
      'added c.example.com. TXT',
    ]);
    expect(difference).toMatchObject({ pools: ['p'], monitors: ['m'], regions: [], soa: true });
  });

  it('tells a changed rate limit', () => {
    const difference = zoneDifference(load(RECORDS), load(`rate_limit: off\n${RECORDS}`));
    expect([difference.rateLimit, isEmptyDifference(difference)]).toEqual([true, false]);
  });

  it('compares a new or deleted zone with nothing', () => {
    expect(zoneDifference(undefined, load(RECORDS)).rrsets.every(({ kind }) => kind === 'added')).toBe(true);
    expect(zoneDifference(load(RECORDS), undefined).rrsets.every(({ kind }) => kind === 'removed')).toBe(
      true,
    );
  });
});
