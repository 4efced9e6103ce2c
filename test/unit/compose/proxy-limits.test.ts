import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { ProxyLimits } from '../../../src/compose/proxy-limits.js';
import type { ProxyModel } from '../../../src/core/balance/model.js';
import { DENIED } from '../../../src/core/limit/access-trie.js';
import { ClientAddress } from '../../../src/core/limit/client-address.js';
import { SYSTEM_TIMERS } from '../../../src/proxy/modules.js';
import { loadProxyConfig } from '../../../src/sources/proxy-config.js';
import { formatProblem } from '../../../src/sources/yaml-document.js';
import { temporaryFolder } from '../../support/folder.js';
import { freePorts } from '../../support/ports.js';

const open: ProxyLimits[] = [];
afterEach(() => {
  for (const limits of open.splice(0)) limits.close();
});

function modelOf(text: string): ProxyModel {
  const file = `node: { name: p1, region: r1 }\n${text}\n`;
  const result = loadProxyConfig('proxy.yaml', file, { environment: {}, cores: 1, cwd: '/' });
  if ('problems' in result) throw new Error(result.problems.map(formatProblem).join('\n'));
  return result.config;
}

const warnings: string[] = [];
const LOG = { info() {}, warn: (_: object, message: string) => void warnings.push(message), error() {} };

async function start(text: string) {
  const limits = await ProxyLimits.open(modelOf(text), { log: LOG, timers: SYSTEM_TIMERS });
  if (limits instanceof ProxyLimits) open.push(limits);
  return limits;
}

describe('the secret of a region', () => {
  const started = async (text: string, mode: number) => {
    const file = join(temporaryFolder(), 'region.secret');
    writeFileSync(file, text);
    chmodSync(file, mode);
    const [port] = await freePorts(1);
    return start(
      `peers: { listen: "127.0.0.1:${port}", addresses: [ "127.0.0.1:1" ], secret_file: ${file} }`,
    );
  };

  it.each([
    ['is short', 'tooshort', 0o600, /at least 32 characters/],
    ['is readable by all', 'x'.repeat(40), 0o644, /change peers\.secret_file/],
  ])('is refused where it %s, and not told', async (_why, text, mode, message) => {
    const failure = await started(text, mode);
    expect(failure).toMatchObject({ key: 'peers.secret_file', message: expect.stringMatching(message) });
    expect((failure as { message: string }).message).not.toContain(text);
  });

  it('is taken otherwise', async () => {
    expect(await started('x'.repeat(32), 0o600)).toBeInstanceOf(ProxyLimits);
  });
});

describe('lists of clients', () => {
  const list = (deny: string) => `access_lists: { a: { deny: { ${deny} } } }
listeners: [ { listen: "127.0.0.1:80", protocol: tcp, pool: web, access: a } ]
pools: { web: { endpoints: [ { address: "127.0.0.1:1" } ] } }`;

  const denied = (limits: ProxyLimits, address: string) => {
    const client = new ClientAddress();
    client.read(address);
    return client.classIn(limits.store.plan(0)!.lists.get('a')!) === DENIED;
  };

  it('go by the database of countries, and by another list after a reload', async () => {
    const limits = await start(list('countries: [ FR ]'));
    if (!(limits instanceof ProxyLimits)) throw new Error(limits.message);
    // Of k.root-servers.net's operator, and of Orange.
    expect(denied(limits, '90.0.0.1')).toBe(true);
    expect(denied(limits, '192.168.1.1')).toBe(false);
    await limits.use(modelOf(list('prefixes: [ 192.168.0.0/16 ]')));
    expect(denied(limits, '90.0.0.1')).toBe(false);
    expect(denied(limits, '192.168.1.1')).toBe(true);
  });

  it('by autonomous system say so where no database knows any', async () => {
    await start(list('asns: [ 64500 ]'));
    expect(warnings.join()).toContain('no database in geo.databases has these');
  });
});
