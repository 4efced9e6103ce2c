import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { EVERY_NETWORK, PROBE_LIMITS_DEFAULT } from '../../../src/core/probe/limits.js';
import { ExecPlaces, probeExec } from '../../../src/probe/exec.js';
import { removeFolders, temporaryFolder } from '../../support/folder.js';
import { ask } from '../../support/peers.js';
import { until } from '../../support/until.js';

afterAll(removeFolders);

const NODE = process.execPath;
const limits = { programs: [NODE], folders: [], networks: EVERY_NETWORK };

/** Runs a script by this Node.js, as a program that is allowed. */
function run(script: string, args: readonly string[] = [], timeoutMs = 5000, signal?: AbortSignal) {
  const check = { type: 'exec', program: NODE, args: ['-e', script, '--', ...args], timeoutMs } as const;
  return ask(check, { limits, ...(signal && { signal }) });
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** A script that starts another program, writes both numbers to a file, and then `then`. */
const family = (file: string, then: string) => `
  const child = require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit' });
  require('node:fs').writeFileSync(${JSON.stringify(file)}, process.pid + ' ' + child.pid);
  ${then}`;

describe('an exec probe', () => {
  it.each<[string, boolean, string]>([
    ['process.exit(0)', true, 'exit 0'],
    ['console.log("3 of 3 replicas\\nmore")', true, '3 of 3 replicas'],
    ['process.exit(2)', false, 'exit 2'],
    ['console.log("lag 12 s"); process.exitCode = 1', false, 'exit 1: lag 12 s'],
    ['console.error("not heard"); process.exit(1)', false, 'exit 1'],
    ['process.kill(process.pid, "SIGTERM"); setTimeout(() => {}, 5000)', false, 'ended by SIGTERM'],
    ['process.stdout.write("a\\u001b[31mb\\u0000c")', true, 'a [31mb c'],
    ['process.stdout.write("x".repeat(500))', true, 'x'.repeat(120)],
  ])('%s: up is %s', async (script, ok, detail) => {
    expect(await run(script)).toMatchObject({ ok, detail });
  });

  it('gives its arguments as they are, without a shell, and the address in their place', async () => {
    const script = 'console.log(JSON.stringify([process.argv.slice(1), process.env.MERIDIAN_ADDRESS]))';
    const { detail } = await run(script, ['$HOME `id` ; x', '--host={address}', '*']);
    expect(JSON.parse(detail)).toEqual([['$HOME `id` ; x', '--host=127.0.0.1', '*'], '127.0.0.1']);
  });

  it('gives nothing of this process: no environment, no files, no folder', async () => {
    const script =
      'console.log(Object.keys(process.env).sort().join(), process.cwd(), require("fs").readdirSync("/proc/self/fd").length < 40)';
    expect((await run(script)).detail).toMatch(/^LANG,MERIDIAN_ADDRESS,PATH \/ /);
  });

  it('refuses a program that is not allowed, without running it', async () => {
    const check = { type: 'exec', program: NODE, args: [] } as const;
    const detail = `${NODE} is not among probes.programs`;
    expect(await ask(check)).toMatchObject({ ok: false, local: true, detail });
    expect(await ask(check, { limits: { ...PROBE_LIMITS_DEFAULT, programs: ['/bin'] } })).toMatchObject({
      ok: false,
    });
  });

  it('is down when the program is not there', async () => {
    const program = '/no/such/program';
    const result = await ask(
      { type: 'exec', program, args: [] },
      { limits: { ...limits, programs: [program] } },
    );
    expect(result).toMatchObject({ ok: false, local: true });
    expect(result.detail).toContain('ENOENT');
  });

  it('kills the program, and what it has started, at the timeout', async () => {
    const file = join(temporaryFolder(), 'pids');
    const asked = run(family(file, 'setInterval(() => {}, 1000);'), [], 1500);
    expect(await asked).toMatchObject({ ok: false, detail: 'timeout after 1500 ms' });
    const pids = await pidsOf(file);
    await until('both are gone', () => pids.every((pid) => !isAlive(pid)));
  });

  it('kills what it has started when it ends, and does not wait for it', async () => {
    const file = join(temporaryFolder(), 'pids');
    expect(await run(family(file, 'console.log("fine"); process.exit(0);'))).toMatchObject({ ok: true });
    const pids = await pidsOf(file);
    await until('both are gone', () => pids.every((pid) => !isAlive(pid)));
  });

  it('kills it when it is called off', async () => {
    const file = join(temporaryFolder(), 'pids');
    const controller = new AbortController();
    const asked = run(family(file, 'setInterval(() => {}, 1000);'), [], 5000, controller.signal);
    const pids = await pidsOf(file);
    controller.abort();
    expect(await asked).toMatchObject({ ok: false, detail: 'called off' });
    await until('both are gone', () => pids.every((pid) => !isAlive(pid)));
  });

  it('does not blame the target when others have all the places', async () => {
    const places = new ExecPlaces(0);
    const check = { type: 'exec', program: NODE, args: [] } as const;
    const options = { timeoutMs: 30, clock: () => performance.now() };
    expect(await probeExec('127.0.0.1', check, options, { limits, places })).toMatchObject({
      ok: false,
      local: true,
      detail: 'waited 30 ms for one of 16 places for programs',
    });
  });

  it('stops a program that says too much', async () => {
    const script = 'setInterval(() => process.stdout.write("x".repeat(1000)), 1)';
    expect(await run(script)).toMatchObject({ ok: false, detail: 'more than 4096 bytes of output' });
  });
});

async function pidsOf(file: string): Promise<readonly number[]> {
  const text = await until('the program runs', () => {
    const written = readFileSync(file, 'utf8');
    return /^\d+ \d+$/.test(written) && written;
  });
  return text.split(' ').map(Number);
}

describe('ExecPlaces', () => {
  it('lets so many in at once, and the next in their order', () => {
    const places = new ExecPlaces(2);
    const ran: string[] = [];
    const leave = ['a', 'b', 'c', 'd', 'e'].map((name) => places.take(() => ran.push(name)));
    expect(ran).toEqual(['a', 'b']);
    leave[1]!();
    leave[1]!();
    expect(ran).toEqual(['a', 'b', 'c']);
    // Who gives up waiting is passed over.
    leave[3]!();
    leave[0]!();
    expect(ran).toEqual(['a', 'b', 'c', 'e']);
    for (const one of leave) one();
    places.take(() => ran.push('f'));
    places.take(() => ran.push('g'));
    places.take(() => ran.push('h'));
    expect(ran.slice(4)).toEqual(['f', 'g']);
  });
});
