/** One limit over three proxies, as programs. */
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { temporaryFolder } from '../support/folder.js';
import { freePorts } from '../support/ports.js';
import { endProxyPrograms, type ProxyProgram, startProxyProgram } from '../support/proxy-program.js';
import { proxyRecipe } from '../support/proxy-recipe.js';
import { client, endAll, httpBackend, ok, type RawClient } from './proxy-rig.js';

afterEach(async () => {
  await endProxyPrograms();
  await endAll();
});

const GET = 'GET / HTTP/1.1\r\nHost: shop.example.com\r\n\r\n';
/** Requests in a second. */
const LIMIT = 200;
const LOAD = { each: 10, everyMs: 50, forMs: 3_000, warmUpMs: 1_200 };

async function backendPort(): Promise<number> {
  return httpBackend(() => ok('fine'));
}

function secretFile(text = 'a secret of all proxies of the region'): string {
  const file = join(temporaryFolder(), 'region.secret');
  writeFileSync(file, text);
  chmodSync(file, 0o600);
  return file;
}

/** Keeps asking each proxy for three times what the limit allows to all; resolves with how many requests passed in a second. */
async function ask(clients: readonly RawClient[]): Promise<number> {
  const began = performance.now();
  let fromMs = 0;
  let before = 0;
  const passed = () =>
    clients.reduce((sum, { text }) => sum + (text.match(/HTTP\/1\.1 200/g)?.length ?? 0), 0);
  for (let next = 0; ; next += LOAD.everyMs) {
    const nowMs = performance.now() - began;
    if (fromMs === 0 && nowMs >= LOAD.warmUpMs) {
      fromMs = nowMs;
      before = passed();
    }
    if (fromMs > 0 && nowMs >= fromMs + LOAD.forMs) return (1_000 * (passed() - before)) / (nowMs - fromMs);
    if (nowMs < next) await delay(next - nowMs);
    for (const one of clients) one.send(GET.repeat(LOAD.each));
  }
}

it('shares one limit of three proxies within 10 % at steady load, and tells so in metrics', async () => {
  const backend = await backendPort();
  const addresses = (await freePorts(3)).map((port) => `127.0.0.1:${port}`);
  const secret_file = secretFile();
  const { rate_limits, ...example } = proxyRecipe('### One limit for a region', backend);
  const limits = { shop: { ...rate_limits['shop'], requests: LIMIT } };
  const start = (listen: string, i: number): Promise<ProxyProgram> => {
    const peers = {
      ...example.peers,
      listen,
      secret_file,
      addresses: addresses.filter((other) => other !== listen),
    };
    const more = { ...example, rate_limits: limits, peers };
    return startProxyProgram({ io: i === 0 ? 'portable' : 'batched', ports: [9], more });
  };
  const proxies = await Promise.all(addresses.map(start));
  for (const proxy of proxies) {
    await expect.poll(() => proxy.metric('region_peer_heard'), { timeout: 5_000 }).toBe(2);
  }
  const perSecond = await ask(proxies.map(({ port }) => client(port)));
  expect(perSecond / LIMIT).toBeGreaterThan(0.9);
  expect(perSecond / LIMIT).toBeLessThan(1.1);
  const first = proxies[0]!;
  expect(await first.metric('rate_limit_requests_total', 'limit="shop"', 'result="refused"')).toBeGreaterThan(
    0,
  );
  expect(await first.metric('region_messages_total', 'result="received"')).toBeGreaterThan(20);
  expect(await first.metric('region_messages_total', 'result="forged"')).toBe(0);
  expect(await first.metric('rate_limit_keys')).toBeGreaterThan(0);
});
