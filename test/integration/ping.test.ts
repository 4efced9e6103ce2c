import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const PROBE = join(import.meta.dirname, '../../dist/probe/probe.js');
/** Pings are allowed, or not, for each network namespace: the test has one of its own. */
const setUp = (groups: string) =>
  `ip link set lo up && ip address add 192.0.2.1/32 dev lo && echo "${groups}" > /proc/sys/net/ipv4/ping_group_range`;
const EVERYBODY = '0 2147483647';
const NOBODY = '1 0';

function inNamespace(groups: string, command: readonly string[]) {
  return ['-n', 'sh', '-c', `${setUp(groups)} && exec "$@"`, 'sh', ...command];
}

const isReady =
  existsSync(PROBE) &&
  spawnSync('unshare', inNamespace(EVERYBODY, ['true']), { stdio: 'ignore' }).status === 0;

function ping(
  groups: string,
  ...asked: readonly { readonly host: string; readonly sources?: readonly string[] }[]
) {
  const script = `
    const { createProbe } = await import(${JSON.stringify(PROBE)});
    const probe = createProbe({ clock: () => performance.now() });
    const results = [];
    for (const { host, ...check } of ${JSON.stringify(asked)}) {
      const signal = new AbortController().signal;
      const { ok, detail } = await probe(host, { type: 'icmp', timeoutMs: 2000, ...check }, signal);
      results.push([ok, detail]);
    }
    console.log(JSON.stringify(results));`;
  const command = [process.execPath, '--input-type=module', '-e', script];
  const output = execFileSync('unshare', inNamespace(groups, command), { encoding: 'utf8' });
  return JSON.parse(output) as readonly [boolean, string][];
}

describe.skipIf(!isReady)('an icmp probe on a real socket (needs dist/ and a network namespace)', () => {
  it('hears the echo of IPv4 and IPv6 addresses, from the source that it is given', () => {
    const results = ping(
      EVERYBODY,
      { host: '127.0.0.1' },
      { host: '::1' },
      { host: '192.0.2.1', sources: ['127.0.0.1'] },
      { host: 'localhost' },
    );
    expect(results).toEqual(results.map(() => [true, 'echo reply']));
  });

  it('says why it can’t reach a target', () => {
    const results = ping(
      EVERYBODY,
      { host: '198.51.100.1' },
      { host: '2001:db8::1' },
      { host: '127.0.0.1', sources: ['198.51.100.1'] },
    );
    expect(results).toEqual([
      [false, 'network unreachable'],
      [false, expect.stringMatching(/network unreachable|no local address/)],
      [false, 'no local address 198.51.100.1 (EADDRNOTAVAIL)'],
    ]);
  });

  it('says what to set where pings are not allowed', () => {
    const [[ok, detail] = [true, '']] = ping(NOBODY, { host: '127.0.0.1' });
    expect(ok).toBe(false);
    expect(detail).toContain('set net.ipv4.ping_group_range');
  });
});
