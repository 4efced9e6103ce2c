import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { removeFolders, temporaryFolder } from '../support/folder.js';
import { freePorts } from '../support/ports.js';
import { endPrograms, meridian, startMeridian } from '../support/process.js';
import { until } from '../support/until.js';

const closing: (() => void)[] = [];

afterEach(async () => {
  await endPrograms();
  for (const close of closing.splice(0)) close();
  removeFolders();
});

const all = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .toSorted();

describe('meridian init', () => {
  it('writes a folder that passes check', async () => {
    const cwd = temporaryFolder();
    const { code, stdout, stderr } = await meridian(['init', 'new', '--zone', 'GSLB.Example.org.'], { cwd });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const folder = join(cwd, 'new');
    expect(all(folder)).toEqual([
      '.gitignore',
      'meridian.yaml',
      'proxy.yaml',
      'state/admin.token',
      'state/report.token',
      'zones/gslb.example.org.yaml',
    ]);
    expect(stdout).toContain('cd new\n');
    expect(statSync(join(folder, 'state/admin.token')).mode & 0o077).toBe(0);
    const check = await meridian(['check', 'zones', '--config', 'meridian.yaml'], { cwd: folder });
    expect({ code: check.code, stderr: check.stderr }).toEqual({ code: 0, stderr: '' });
    expect(check.stdout).toContain('gslb.example.org.');
  });

  it('overwrites nothing, and writes nothing then', async () => {
    const cwd = temporaryFolder();
    writeFileSync(join(cwd, 'proxy.yaml'), 'mine');
    const { code, stderr } = await meridian(['init'], { cwd });
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: 'meridian: proxy.yaml is there already: choose another folder, or move it away\n',
    });
    expect(all(cwd)).toEqual(['proxy.yaml']);
  });

  it.each(['a b', '../up', '', '.', 'a..b', 'x'.repeat(64)])('refuses the zone %j', async (zone) => {
    const cwd = temporaryFolder();
    const { code, stderr } = await meridian(['init', '--zone', zone], { cwd });
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: `meridian: --zone: ${zone} is not a name such as gslb.example.com\n`,
    });
    expect(existsSync(join(cwd, 'zones'))).toBe(false);
  });

  it('writes what runs: a node, a proxy that reports to it, an endpoint behind them', async () => {
    const cwd = temporaryFolder();
    await meridian(['init'], { cwd });
    const [dns, api, http, admin, endpoint] = (await freePorts(5)) as [
      number,
      number,
      number,
      number,
      number,
    ];
    const ports = { 5300: dns, 8300: api, 8080: http, 8301: admin, 9000: endpoint };
    for (const file of ['meridian.yaml', 'proxy.yaml', 'zones/gslb.example.com.yaml']) {
      const text = readFileSync(join(cwd, file), 'utf8');
      writeFileSync(
        join(cwd, file),
        Object.entries(ports).reduce((now, [from, to]) => now.replaceAll(from, String(to)), text),
      );
    }
    const server = createServer((_request, response) => response.end('hello'));
    await new Promise<void>((resolve) => server.listen(endpoint, '127.0.0.1', resolve));
    closing.push(() => server.close());
    await startMeridian(['serve'], /serving/, { cwd });
    await startMeridian(['proxy'], /proxying/, { cwd });
    const answered = await until('the answer', async () => {
      const query = ['query', 'www.gslb.example.com', '--server', '127.0.0.1', '-p', String(dns)];
      const { stdout } = await meridian(query, { cwd });
      return /\bA\s+127\.0\.0\.1/.test(stdout) && stdout;
    });
    expect(answered).toContain('NOERROR');
    const status = await until('the report', async () => {
      const { stdout } = await meridian(['status', '--api', `http://127.0.0.1:${api}`], { cwd });
      return /proxy-1[^\n]*\bup\b/.test(stdout) && stdout;
    });
    expect(status).toContain('gslb.example.com.');
    expect(await (await fetch(`http://127.0.0.1:${http}/`)).text()).toBe('hello');
  });
});
