import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { dig, digShort, isInstalled } from '../support/dig.js';
import { removeFolders, temporaryFolder } from '../support/folder.js';
import { type MmdbEntry, writeMmdb } from '../support/mmdb-writer.js';
import { startNode, type TestNode } from '../support/node.js';
import { endPrograms, run } from '../support/process.js';
import { until } from '../support/until.js';

const hasDig = isInstalled('dig', '-v');
const hasDnsperf = isInstalled('dnsperf');

afterAll(async () => {
  await endPrograms();
  removeFolders();
});

const zone = (text: string) => `zone: reload.test
ttl: 5
nameservers: { ns1: { A: 127.0.0.1 } }
soa: { contact: hostmaster.reload.test }
pools:
  eu: { endpoints: [{ A: 192.0.2.1 }] }
  us: { endpoints: [{ A: 198.51.100.1 }] }
records:
  www: { type: A, dynamic: { rules: [{ geos: [EU], pool: eu }, { pool: us }] } }
  text: { type: TXT, values: ["${text}"] }
`;
/** The second mistake of a hurried hand: an address that is none, in line 6. */
const BROKEN = zone('broken').replace('192.0.2.1', '192.0.2.1000');

describe.skipIf(!hasDig || !hasDnsperf)(
  'a zone file that is broken and mended (skipped where dig or dnsperf is not installed)',
  () => {
    it('loses no query, shows its mistake with the line, and is served again when mended', async () => {
      const node = await startNode({ zones: { 'reload.test.yaml': zone('first') } });
      const queries = join(node.folder, 'queries');
      writeFileSync(queries, 'www.reload.test A\ntext.reload.test TXT\nreload.test SOA\n');
      const load = run('dnsperf', [
        ...['-s', '127.0.0.1', '-p', String(node.port), '-d', queries],
        ...['-l', '5', '-Q', '2000', '-t', '2'],
      ]);
      await until('load', async () => (await queriesSeen(node)) > 500);
      node.writeZone('reload.test.yaml', BROKEN);
      const status = await until('the mistake in the status', async () => {
        const now = (await node.get('/v1/status')) as { problems: readonly string[] };
        return now.problems.length > 0 && now;
      });
      expect(status.problems).toEqual([
        expect.stringMatching(/reload\.test\.yaml:6:\d+: pools\.eu\..*192\.0\.2\.1000/),
      ]);
      expect(await node.metric('meridian_zone_problems')).toBe(1);
      expect(await node.metric('meridian_zone_stale{zone="reload.test."}')).toBe(1);
      expect(await node.metric('meridian_reloads_total{result="refused"}')).toBeGreaterThan(0);
      expect(await text(node)).toBe('"first"');
      node.writeZone('reload.test.yaml', zone('second'));
      const fromMs = performance.now();
      await until('the mended zone', async () => (await text(node)) === '"second"', 2000);
      process.stdout.write(
        `measured: the mended file is served after ${Math.round(performance.now() - fromMs)} ms\n`,
      );
      expect(await node.metric('meridian_zone_problems')).toBe(0);
      expect(await node.metric('meridian_zone_stale{zone="reload.test."}')).toBe(0);
      const { stdout } = await load;
      expect(stdout).toMatch(/Queries lost:\s+0 /);
      expect(stdout).toMatch(/Response codes:\s+NOERROR \d+ \(100\.00%\)/);
      expect(await node.metric('meridian_dns_responses_total{rcode="SERVFAIL"}')).toBe(0);
    });
  },
);

const text = async ({ port }: TestNode) => String(await digShort({ port }, 'text.reload.test', 'TXT'));

async function queriesSeen(node: TestNode): Promise<number> {
  return node.metric('meridian_dns_requests_total{transport="udp",family="4"}');
}

interface Geo {
  readonly geo: {
    readonly sources: readonly { readonly path: string }[];
    readonly problems: readonly string[];
  };
}

const entry = (prefix: string, country: string): MmdbEntry => ({
  prefix,
  data: { country: { iso_code: country }, continent: { code: country === 'DE' ? 'EU' : 'NA' } },
});
/** 10.0.0.0/8 is special in the embedded database: there nothing is known of it. */
const GOOD = writeMmdb([entry('10.0.0.0/8', 'DE'), entry('192.0.2.0/24', 'US')]);

describe.skipIf(!hasDig)('the geo database (skipped where dig is not installed)', () => {
  const ask = async ({ port }: TestNode, subnet: string) =>
    String(await digShort({ port }, 'www.reload.test', 'A', `+subnet=${subnet}`));
  const geoOf = async (node: TestNode) => ((await node.get('/v1/status')) as Geo).geo;

  it.each([
    { how: 'missing', content: undefined },
    { how: 'truncated', content: GOOD.subarray(0, GOOD.length / 2) },
    { how: 'empty', content: Buffer.alloc(0) },
  ])('that is $how at the first start is named, and the embedded one serves', async ({ how, content }) => {
    const folder = temporaryFolder();
    const path = join(folder, `${how}.mmdb`);
    if (content) writeFileSync(path, content);
    const config = { geo: { database: path } };
    const node = await startNode({ folder, config, zones: { 'reload.test.yaml': zone('geo') } });
    const geo = await geoOf(node);
    expect(geo.problems).toHaveLength(1);
    expect(geo.problems[0]).toContain(path);
    expect(geo.sources.map((source) => source.path)).toEqual(['embedded']);
    expect(node.program.output).toContain(path);
    expect(await node.metric('meridian_geo_problems')).toBe(1);
    expect(await ask(node, '53.0.0.0/8')).toBe('192.0.2.1');
    expect(await ask(node, '10.0.0.0/8')).toBe('198.51.100.1');
    await node.program.end();
  });

  it('is swapped when a good file comes, and stays when a broken one does', async () => {
    const folder = temporaryFolder();
    const path = join(folder, 'own.mmdb');
    const put = (content: Uint8Array) => {
      writeFileSync(`${path}.new`, content);
      renameSync(`${path}.new`, path);
    };
    const config = { geo: { database: path } };
    const node = await startNode({ folder, config, zones: { 'reload.test.yaml': zone('geo') } });
    put(GOOD);
    await until('the new database in use', async () => (await ask(node, '10.0.0.0/8')) === '192.0.2.1');
    expect(await geoOf(node)).toMatchObject({ problems: [], sources: [{ path }] });
    put(GOOD.subarray(0, GOOD.length - 40));
    const problems = await until('the refusal', async () => {
      const geo = await geoOf(node);
      return geo.problems.length > 0 && geo.problems;
    });
    expect(problems[0]).toContain(path);
    expect(await ask(node, '10.0.0.0/8')).toBe('192.0.2.1');
    expect(await node.metric('meridian_geo_problems')).toBe(1);
    put(writeMmdb([entry('10.0.0.0/8', 'US'), entry('192.0.2.0/24', 'DE')]));
    await until('the third database in use', async () => (await ask(node, '10.0.0.0/8')) === '198.51.100.1');
    expect((await dig({ port: node.port }, 'www.reload.test', '+subnet=192.0.2.0/24')).answers[0]).toMatch(
      /192\.0\.2\.1$/,
    );
    expect(await node.metric('meridian_geo_problems')).toBe(0);
  });
});
