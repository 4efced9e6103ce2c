import { describe, expect, it } from 'vitest';
import type { ZoneSummary } from '../../../src/control/loader.js';
import { ZoneList } from '../../../src/control/zone-list.js';

const zone = (origin: string, file = `${origin}yaml`, version = '1'): ZoneSummary => ({
  origin,
  file,
  version,
  serial: 1,
  records: 1,
  pools: 0,
  loadedMs: 0,
});
const origins = ({ list }: ZoneList) => list.map(({ origin }) => origin);

describe('ZoneList', () => {
  it('puts zones in their places, and new ones at the end', () => {
    const first = new ZoneList([zone('a.'), zone('b.')]);
    const second = first.with([zone('b.', 'b.yaml', '2'), zone('c.')]);
    expect([origins(first), origins(second)]).toEqual([
      ['a.', 'b.'],
      ['a.', 'b.', 'c.'],
    ]);
    expect([first.get('b.')?.version, second.get('b.')?.version]).toEqual(['1', '2']);
    expect([first.get('c.'), first.byFile('c.yaml'), second.byFile('c.yaml')?.origin]).toEqual([
      undefined,
      undefined,
      'c.',
    ]);
    expect(origins(second.with([zone('d.')], ['a.']))).toEqual(['b.', 'c.', 'd.']);
    expect(first.with([])).toBe(first);
  });

  it('is not misled by another list that was made of the same one', () => {
    const first = new ZoneList([zone('a.')]);
    first.byFile('a.yaml');
    const refused = first.with([zone('b.')]);
    const taken = first.with([zone('c.')]);
    expect([taken.get('b.'), taken.byFile('b.yaml'), taken.get('c.')?.origin]).toEqual([
      undefined,
      undefined,
      'c.',
    ]);
    expect(refused.get('b.')?.origin).toBe('b.');
    expect(origins(taken.with([zone('b.')]))).toEqual(['a.', 'c.', 'b.']);
  });

  it('finds no zone by a file that it has left', () => {
    const first = new ZoneList([zone('a.', 'old.yaml')]);
    expect(first.byFile('old.yaml')?.origin).toBe('a.');
    const moved = first.with([zone('a.', 'new.yaml')]);
    expect([moved.byFile('old.yaml'), moved.byFile('new.yaml')?.origin]).toEqual([undefined, 'a.']);
  });
});
