import { describe, expect, it } from 'vitest';
import type { CompileInput } from '../../../../src/core/answer/build.js';
import { compileSnapshot } from '../../../../src/core/answer/compile.js';
import { POOL } from '../../../../src/core/answer/snapshot.js';
import { EMPTY_LOCATIONS } from '../../../../src/core/geo/location.js';
import { SLOT_ALWAYS_DOWN, SLOT_ALWAYS_UP } from '../../../../src/core/health/word.js';
import { readZone, rigOf, zoneText } from '../../../support/query-rig.js';

const GEO = `pools:
  eu: { endpoints: [{ A: 192.0.2.1 }] }
  us: { endpoints: [{ A: 192.0.2.2 }] }
records:
  www: { type: A, dynamic: { rules: [{ geos: [EU], pool: eu }, { pool: us }] } }
  api: { type: A, dynamic: { rules: [{ geos: [EU], pool: us }, { pool: eu }] } }
  other: { type: A, dynamic: { rules: [{ geos: [AS], pool: us }, { pool: eu }] } }
`;

function input(body: string, changes: Partial<CompileInput> = {}): CompileInput {
  const zones = [readZone(zoneText('example.com', body))];
  return { id: 1, zones, geo: EMPTY_LOCATIONS, slotOf: () => SLOT_ALWAYS_UP, ...changes };
}

describe('compileSnapshot()', () => {
  it('shares one trie between records with the same targets', () => {
    expect(compileSnapshot(input(GEO)).snapshot.tries).toHaveLength(2);
  });

  it('takes tries over from the last compilation, and drops what is not used any more', () => {
    const first = compileSnapshot(input(GEO));
    const second = compileSnapshot(input(GEO.replace('[AS]', '[OC]'), { tries: first.tries }));
    expect(second.snapshot.tries[0]).toBe(first.snapshot.tries[0]);
    expect(second.snapshot.tries[1]).not.toBe(first.snapshot.tries[1]);
    expect(second.tries.rules.size).toBe(2);
  });

  it('puts all tables into shared memory', () => {
    const { snapshot } = compileSnapshot(input(GEO));
    const tables: readonly unknown[] = [...Object.values(snapshot), ...snapshot.tries.flatMap(Object.values)];
    const views = tables.filter((table) => ArrayBuffer.isView(table));
    expect(views.length).toBeGreaterThan(5);
    for (const { buffer } of views) expect(buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(snapshot.id).toBe(1);
  });

  it.each([
    ['obey', 'm', 7],
    ['up', 'm', SLOT_ALWAYS_UP],
    ['down', 'm', SLOT_ALWAYS_DOWN],
    ['obey', '', SLOT_ALWAYS_UP],
  ])('status %s with monitor "%s" uses slot %i', (status, monitor, slot) => {
    const pool = `{ ${monitor && 'monitor: m, '}endpoints: [{ A: 192.0.2.1, status: ${status} }] }`;
    const body = `monitors: { m: { type: tcp, port: 80 } }\npools: { p: ${pool} }\n`;
    const { snapshot } = compileSnapshot(input(body, { slotOf: () => 7 }));
    expect(snapshot.endpoints[0]).toBe(slot);
  });

  it.each([
    [0, 4, 0],
    [0.5, 3, 2],
    [0.55, 100, 55],
    [0.07, 100, 7],
    [1, 65_535, 65_535],
    [0.0001, 100, 1],
  ])('min_up %d of weight %i needs %i', (minUp, weight, needed) => {
    const body = `pools: { p: { min_up: ${minUp}, endpoints: [{ A: 192.0.2.1, weight: ${weight} }] } }\n`;
    const { snapshot } = compileSnapshot(input(body));
    expect(snapshot.pools[POOL.FAMILIES + POOL.NEEDED]).toBe(needed);
  });

  it('compiles no zones: everything is refused', () => {
    expect(rigOf([]).ask('example.com', 'SOA').rcode).toBe(5);
  });
});
