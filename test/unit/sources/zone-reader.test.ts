import { mkdir, mkdtemp, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ZoneReader, type ZoneReading } from '../../../src/sources/zone-reader.js';

const yaml = (origin: string, address = '192.0.2.53') =>
  `zone: ${origin}\nnameservers: { ns1: { A: ${address} } }\n`;
const MASTER = '$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.53\n';

let folder = '';
/** Long after every change: time stamps tell the truth. */
const LATER = Date.now() + 3_600_000;
let reader: ZoneReader;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reader-'));
  reader = new ZoneReader({}, () => LATER);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const at = (name: string) => join(folder, name);
const put = (name: string, text: string) => writeFile(at(name), text);

async function read(only?: readonly string[], whole?: readonly string[]): Promise<ZoneReading> {
  const wishes = { ...(only && { only: only.map(at) }), ...(whole && { whole: new Set(whole.map(at)) }) };
  const reading = await reader.read([folder], wishes);
  reader.keep(reading);
  return reading;
}

const origins = ({ zones }: ZoneReading) => zones.map(({ zone }) => zone.origin);
const unread = ({ same }: ZoneReading) => [...same.values()].sort();

describe('ZoneReader', () => {
  it('reads what changed, and names what did not', async () => {
    await put('a.yaml', yaml('a.test'));
    await put('b.yaml', yaml('b.test'));
    await put('c.test.zone', MASTER);
    expect(origins(await read())).toEqual(['a.test.', 'b.test.', 'c.test.']);
    const again = await read();
    expect([origins(again), unread(again), again.isWhole]).toEqual([
      [],
      ['a.test.', 'b.test.', 'c.test.'],
      true,
    ]);
    await put('b.yaml', yaml('b.test', '192.0.2.54'));
    const third = await read();
    expect([origins(third), unread(third)]).toEqual([['b.test.'], ['a.test.', 'c.test.']]);
  });

  it('looks at nothing but the files that it is told of', async () => {
    await put('a.yaml', yaml('a.test'));
    await put('b.yaml', yaml('b.test'));
    await read();
    await put('a.yaml', yaml('a.test', '192.0.2.54'));
    await put('b.yaml', yaml('b.test', '192.0.2.54'));
    await put('c.yaml', yaml('c.test'));
    const some = await read(['b.yaml', 'c.yaml']);
    expect([origins(some), unread(some), some.isWhole]).toEqual([['b.test.', 'c.test.'], ['a.test.'], false]);
    expect(some.files).toEqual(['a.yaml', 'b.yaml', 'c.yaml'].map(at));
    await rm(at('c.yaml'));
    expect((await read(['c.yaml'])).files).toEqual(['a.yaml', 'b.yaml'].map(at));
    expect(origins(await read())).toEqual(['a.test.']);
  });

  it('looks at everything where names alone tell too little', async () => {
    await put('a.yaml', yaml('a.test'));
    await read();
    await mkdir(at('more'));
    await put('more/b.yaml', yaml('b.test'));
    for (const only of [['more'], ['notes.txt'], ['../elsewhere.yaml'], ['.hidden/c.yaml']]) {
      expect((await read(only)).isWhole, only[0]).toBe(true);
    }
    expect(unread(await read())).toEqual(['a.test.', 'b.test.']);
  });

  it('does not parse a file again whose content is as before', async () => {
    await put('a.yaml', yaml('a.test'));
    await read();
    await utimes(at('a.yaml'), new Date(1), new Date(1));
    expect(unread(await read())).toEqual(['a.test.']);
    await put('draft', yaml('a.test'));
    await rename(at('draft'), at('a.yaml'));
    expect(unread(await read(['a.yaml']))).toEqual(['a.test.']);
  });

  it('believes no time stamp that is as young as the change may be', async () => {
    reader = new ZoneReader({}, () => 0);
    await put('a.yaml', yaml('a.test'));
    const first = await read();
    expect([...first.notes.values()].map(({ signature }) => signature)).toEqual([undefined]);
    expect(unread(await read())).toEqual(['a.test.']);
  });

  it('reads what is wanted even if it did not change', async () => {
    await put('a.yaml', yaml('a.test'));
    await put('b.yaml', yaml('b.test'));
    await read();
    const wanted = await read([], ['b.yaml']);
    expect([origins(wanted), unread(wanted)]).toEqual([['b.test.'], ['a.test.']]);
  });

  it('repeats the mistakes of files that it did not look at', async () => {
    await put('a.yaml', 'zone: [');
    await put('b.yaml', yaml('b.test'));
    const { problems } = await read();
    expect(problems).not.toEqual([]);
    expect((await read()).problems).toEqual(problems);
    expect((await read(['b.yaml'])).problems).toEqual(problems);
    await put('a.yaml', yaml('a.test'));
    expect((await read(['a.yaml'])).problems).toEqual([]);
  });

  it('lets the second file of a zone have it when the first is gone', async () => {
    await put('a.yaml', yaml('a.test'));
    await put('b.yaml', yaml('a.test', '192.0.2.54'));
    expect((await read()).problems).toMatchObject([{ file: at('b.yaml') }]);
    expect((await read(['a.yaml'])).problems).toMatchObject([{ file: at('b.yaml') }]);
    await rm(at('a.yaml'));
    const { zones, problems } = await read(['a.yaml']);
    expect([zones.map(({ file }) => file), problems]).toEqual([[at('b.yaml')], []]);
  });

  it('lets a file that did not change keep its zone when another claims it', async () => {
    await put('a.yaml', yaml('a.test'));
    await put('b.yaml', yaml('b.test'));
    await read();
    await put('a.yaml', yaml('b.test'));
    const { zones, problems } = await read(['a.yaml']);
    expect([zones, problems.map(({ file }) => file)]).toEqual([[], [at('a.yaml')]]);
  });

  it('reads a master file with includes every time', async () => {
    await put('part', 'www A 192.0.2.1\n');
    await put('a.test.zone', `${MASTER}$INCLUDE part\n`);
    const first = await read();
    await put('part', 'www A 192.0.2.2\n');
    const second = await read();
    expect(origins(second)).toEqual(['a.test.']);
    expect(second.zones[0]?.version).not.toBe(first.zones[0]?.version);
  });
});
