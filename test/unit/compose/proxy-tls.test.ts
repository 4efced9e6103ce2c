import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { ProxyTlsKeeper } from '../../../src/compose/proxy-tls.js';
import type { ProxyModel } from '../../../src/core/balance/model.js';
import type { ProxyTls } from '../../../src/proxy/tls.js';
import { loadProxyConfig } from '../../../src/sources/proxy-config.js';
import { hasOpenssl } from '../../support/certificate.js';
import { removeFolders, temporaryFolder } from '../../support/folder.js';
import { Authority } from '../../support/tls-material.js';

const HOUR_MS = 3_600_000;

let folder = '';
let authority: Authority;

beforeAll(() => {
  if (!hasOpenssl) return;
  folder = temporaryFolder();
  authority = new Authority(folder);
  for (const name of ['a', 'b']) authority.issue(name, ['a.example.com'], undefined, 60);
}, 30_000);

afterEach(() => {
  vi.useRealTimers();
});

afterAll(removeFolders);

function modelOf(tickets = true): ProxyModel {
  const text = `node: { name: p, region: r }
listeners:
  - listen: "127.0.0.1:1"
    protocol: tcp
    pool: web
    tls: { certificates: [ { cert: a.pem, key: a.key } ], tickets: ${tickets} }
  - { listen: "127.0.0.1:2", protocol: tcp, pool: web }
pools:
  web: { endpoints: [ { address: "127.0.0.1:3" } ], tls: { ca: ca.pem } }
`;
  const loaded = loadProxyConfig('proxy.yaml', text, { environment: {}, cores: 1, cwd: folder });
  if ('problems' in loaded) throw new Error('the configuration is wrong');
  return loaded.config;
}

async function open(model = modelOf(), pollMs = 20) {
  const log = { info: vi.fn(), warn: vi.fn(), error: vi.fn() };
  const keeper = await ProxyTlsKeeper.open(model, { log, nowMs: Date.now, pollMs });
  if ('mistakes' in keeper) throw new Error(keeper.mistakes[0]!.message);
  return { keeper, log };
}

const keysOf = (tls: ProxyTls) => tls.listeners[0]!.ticketKeys.map((key) => Buffer.from(key).toString('hex'));

describe.skipIf(!hasOpenssl)('ProxyTlsKeeper (needs the openssl command)', () => {
  it('hands over texts for listeners and pools, and keys for tickets', async () => {
    const { tls } = (await open()).keeper;
    expect(tls.listeners[0]!.certificates[0]!.cert).toBe(readFileSync(join(folder, 'a.pem'), 'utf8'));
    expect(tls.listeners[1]).toBeNull();
    expect(tls.pools['web']).toMatchObject({ verify: true, ca: authority.ca, serverName: null });
    expect(keysOf(tls)).toHaveLength(2);
    expect(tls.listeners[0]!.ticketKeys.every((key) => key.length === 48)).toBe(true);
    expect(keysOf((await open(modelOf(false))).keeper.tls)).toEqual([]);
  });

  it('moves the keys on every 12 hours: who makes tickets was known to open them before', async () => {
    // Each look at the files is a turn of the faked clock: one an hour, so that days are few turns.
    const { keeper } = await open(modelOf(), HOUR_MS);
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const seen = [keysOf(keeper.tls)];
    keeper.watch((tls) => seen.push(keysOf(tls)));
    for (let i = 0; i < 3; i++) vi.advanceTimersByTime(12 * HOUR_MS);
    keeper.close();
    vi.advanceTimersByTime(48 * HOUR_MS);
    expect(seen).toHaveLength(4);
    for (const [i, keys] of seen.slice(1).entries()) {
      const [current, next, previous] = keys;
      expect(current).toBe(seen[i]![1]);
      expect(previous).toBe(seen[i]![0]);
      expect(seen.slice(0, i + 1).flat()).not.toContain(next);
    }
  });

  it('follows the files, and keeps what it has while they do not fit together', async () => {
    const { keeper, log } = await open();
    const changes: ProxyTls[] = [];
    keeper.watch((tls) => changes.push(tls));
    const before = keeper.tls.listeners[0]!.certificates;
    const copy = (ending: string) =>
      writeFileSync(join(folder, `a.${ending}`), readFileSync(join(folder, `b.${ending}`)));
    copy('key');
    await vi.waitFor(() => expect(log.error).toHaveBeenCalled(), { timeout: 5_000 });
    expect(JSON.stringify(log.error.mock.calls)).toMatch(/certificates\[0\]\.key: .* is not the private key/);
    expect([changes.length, keeper.tls.listeners[0]!.certificates]).toEqual([0, before]);
    copy('pem');
    await vi.waitFor(() => expect(changes).toHaveLength(1), { timeout: 5_000 });
    expect(changes[0]!.listeners[0]!.certificates[0]!.cert).toBe(readFileSync(join(folder, 'b.pem'), 'utf8'));
    keeper.close();
  });
});
