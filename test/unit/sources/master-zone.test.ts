import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { loadZones } from '../../../src/sources/zone-folder.js';

const HEAD = '$TTL 60\n@ SOA ns1 host 7 3600 600 604800 30\n@ NS ns1\nns1 A 192.0.2.1\n';
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'master-'));
  await mkdir(join(folder, 'zones'));
});
afterEach(() => rm(folder, { recursive: true }));

async function load(text: string) {
  await writeFile(join(folder, 'zones', 'example.com.zone'), text);
  return loadZones([join(folder, 'zones')]);
}

it('loadZones() serves a master file, named after its zone', async () => {
  const { zones, problems } = await load(`${HEAD}www 30 A 192.0.2.2\nwww 20 A 192.0.2.3\nwww RRSIG x\n`);
  expect(problems).toEqual([]);
  const { zone } = zones[0]!;
  expect(zone.origin).toBe('example.com.');
  expect(zone.soa).toMatchObject({ serial: 7, minimum: 30, ttl: 60, mname: 'ns1.example.com.' });
  const www = zone.rrsets.find(({ name }) => name === 'www.example.com.');
  expect(www).toMatchObject({ ttl: 20, rdata: [Uint8Array.of(192, 0, 2, 2), Uint8Array.of(192, 0, 2, 3)] });
});

it('loadZones() says in which line a master file is wrong', async () => {
  expect((await load(`${HEAD}www A x\n`)).problems[0]).toMatchObject({ line: 5, column: 7 });
  expect((await load(`${HEAD}www CNAME a\nwww A 192.0.2.2\n`)).problems.length).toBeGreaterThan(0);
  expect((await load('$TTL 60\n@ NS a.\n')).problems[0]!.message).toContain('no SOA');
});

it('loadZones() includes files of the same folder only, also behind a symbolic link', async () => {
  await writeFile(join(folder, 'zones', 'more'), 'www A 192.0.2.2\n');
  await writeFile(join(folder, 'secret'), 'www A 192.0.2.3\n');
  await symlink(join(folder, 'secret'), join(folder, 'zones', 'link'));
  expect((await load(`${HEAD}$INCLUDE more\n`)).problems).toEqual([]);
  for (const name of ['../secret', '../missing', 'link', join(folder, 'secret')]) {
    expect((await load(`${HEAD}$INCLUDE ${name}\n`)).problems[0]!.message).toContain(
      'in the folder of the zone file',
    );
  }
});
