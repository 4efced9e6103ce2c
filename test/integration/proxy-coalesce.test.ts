import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { resolve } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import type { CoalesceModel, RouteModel } from '../../src/core/http/route.js';
import { LISTENER_CELL, POOL_CELL } from '../../src/proxy/cells.js';
import { loadProxyConfig } from '../../src/sources/proxy-config.js';
import { client, endAll, httpBackend, inBothTiers, ok, type Rig, startRig, waitFor } from './proxy-rig.js';

afterEach(endAll);

const get = (lines = '', path = '/'): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n${lines}\r\n`;

function routes(coalesce: Partial<CoalesceModel> = {}): readonly RouteModel[] {
  return [
    {
      match: { pathPrefix: '/' },
      pool: 'web',
      coalesce: { followersMax: 100, bytesMax: 65_536, ...coalesce },
    },
  ];
}

/** A proxy before an endpoint whose responses the test sends: `sockets` has one entry for each request. */
async function heldRig(
  coalesce?: Partial<CoalesceModel>,
  setup: Partial<Parameters<typeof startRig>[0]> = {},
) {
  const sockets: Socket[] = [];
  const port = await httpBackend((_, socket) => {
    sockets.push(socket);
    return null;
  });
  const rig = await startRig({ ports: [port], routes: routes(coalesce), ...setup });
  /** So many clients ask; the first one is on its way before the others come. */
  const ask = async (count: number, lines = '') => {
    const before = sockets.length;
    const first = client(rig.port).send(get(lines));
    await waitFor(() => sockets.length > before, 'the first request');
    const others = Array.from({ length: count - 1 }, () => client(rig.port).send(get(lines)));
    await waitFor(() => cell(rig, LISTENER_CELL.BYTES_IN) >= count * get(lines).length, 'the others');
    return [first, ...others];
  };
  return { rig, sockets, ask };
}

function cell({ proxy }: Rig, at: number): number {
  return proxy.listeners[0]!.counters.cells[at]!;
}

function coalesced({ proxy }: Rig): number {
  return proxy.pools.get('web')!.tally.cells[POOL_CELL.COALESCED]!;
}

inBothTiers('a route that coalesces', () => {
  it('asks once, gives the whole response to all, and begins anew after it', async () => {
    const { rig, sockets, ask } = await heldRig();
    const clients = await ask(20);
    expect(sockets).toHaveLength(1);
    sockets[0]!.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n');
    await clients[0]!.until((text) => text.includes('hello'));
    expect(clients[1]!.text).toBe('');
    sockets[0]!.write('0\r\n\r\n');
    const texts = await Promise.all(clients.map((one) => one.until((text) => text.endsWith('0\r\n\r\n'))));
    expect(new Set(texts).size).toBe(1);
    expect(coalesced(rig)).toBe(19);
    expect(cell(rig, LISTENER_CELL.IN_FLIGHT)).toBe(0);
    // Connections go on.
    clients[3]!.send(get());
    await waitFor(() => sockets.length === 2, 'another request');
    sockets[1]!.write(ok('again'));
    await clients[3]!.until((text) => text.endsWith('again'));
  });

  it('answers pipelined requests in order, those that wait and those behind them', async () => {
    const { sockets, ask } = await heldRig();
    const [, second] = await ask(2);
    second!.send(get('', '/next'));
    sockets[0]!.write(ok('one'));
    await waitFor(() => sockets.length === 2, 'the next one');
    sockets[1]!.write(ok('two'));
    expect(await second!.until((text) => text.endsWith('two'))).toMatch(/one[\s\S]*two$/);
  });

  it.each([
    ['a cookie', 'Set-Cookie: a=1\r\n'],
    ['a private response', 'Cache-Control: private\r\n'],
    ['another variant', 'Vary: User-Agent\r\n'],
  ])('lets everybody ask for itself where it gets %s', async (_, field) => {
    const { rig, sockets, ask } = await heldRig();
    const clients = await ask(4);
    sockets[0]!.write(ok('0', field));
    await waitFor(() => sockets.length === 4, 'the others');
    for (let i = 1; i < 4; i++) sockets[i]!.write(ok(String(i), field));
    const bodies = await Promise.all(
      clients.map(async (one) => (await one.until((text) => /\r\n\r\n./.test(text))).slice(-1)),
    );
    expect(bodies.toSorted()).toEqual(['0', '1', '2', '3']);
    expect(coalesced(rig)).toBe(0);
  });

  it('does not gather what is too large, said before or not', async () => {
    const { sockets, ask } = await heldRig({ bytesMax: 2_048 });
    await ask(2);
    sockets[0]!.write('HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n');
    await waitFor(() => sockets.length === 2, 'the second');
    sockets[1]!.destroy();
    const { sockets: others, ask: askOthers } = await heldRig({ bytesMax: 2_048 });
    const clients = await askOthers(2);
    others[0]!.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n800\r\n${'x'.repeat(2_048)}\r\n`);
    await waitFor(() => others.length === 2, 'the other second');
    others[0]!.write('0\r\n\r\n');
    others[1]!.write(ok('small'));
    await clients[0]!.until((text) => text.endsWith('0\r\n\r\n'));
    await clients[1]!.until((text) => text.endsWith('small'));
  });

  it('tells all of a failure', async () => {
    const { rig, sockets, ask } = await heldRig();
    const clients = await ask(5);
    sockets[0]!.write('HTTP/1.1 nonsense\r\n\r\n');
    for (const one of clients)
      await one.until((text) => text.includes('502 an endpoint of pool web sent no valid'));
    expect(sockets).toHaveLength(1);
    expect(coalesced(rig)).toBe(4);
  });

  it('gives no cut response to anybody', async () => {
    const { sockets, ask } = await heldRig();
    const clients = await ask(3);
    sockets[0]!.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf');
    await clients[0]!.until((text) => text.endsWith('half'));
    sockets[0]!.resetAndDestroy();
    await clients[0]!.closed();
    for (const one of clients.slice(1)) await one.until((text) => text.startsWith('HTTP/1.1 502'));
  });

  it('goes on with another one when the first client leaves, and only once more', async () => {
    const { rig, sockets, ask } = await heldRig();
    const clients = await ask(4);
    clients[0]!.socket.resetAndDestroy();
    await waitFor(() => sockets.length === 2, 'the next one');
    clients[1]!.socket.resetAndDestroy();
    await waitFor(() => sockets.length === 4, 'the last two');
    for (const socket of sockets) if (!socket.destroyed) socket.write(ok('well'));
    for (const one of clients.slice(2)) await one.until((text) => text.endsWith('well'));
    expect(cell(rig, LISTENER_CELL.IN_FLIGHT)).toBe(0);
  });

  it('forgets one that leaves while it waits', async () => {
    const { rig, sockets, ask } = await heldRig();
    const clients = await ask(3);
    clients[1]!.socket.resetAndDestroy();
    await waitFor(() => cell(rig, LISTENER_CELL.ACTIVE) === 2, 'it to leave');
    sockets[0]!.write(ok('well'));
    await clients[2]!.until((text) => text.endsWith('well'));
    expect(coalesced(rig)).toBe(1);
  });

  it('lets those go by themselves for whom there is no room, and those who have credentials', async () => {
    const { sockets, ask } = await heldRig({ followersMax: 2 });
    await ask(5);
    await waitFor(() => sockets.length === 3, 'the first one and two more');
    const { sockets: others, ask: askOthers } = await heldRig();
    const asked = askOthers(2, 'Authorization: Bearer x\r\n');
    await waitFor(() => others.length === 2, 'both');
    await asked;
  });

  it('does not hold up the others by a client that reads nothing, be it the first', async () => {
    const { rig, sockets } = await heldRig({ bytesMax: 1_048_576 });
    const body = 'x'.repeat(1_000_000);
    const stuck = client(rig.port);
    stuck.socket.pause();
    stuck.send(get());
    await waitFor(() => sockets.length === 1, 'the first');
    const others = [client(rig.port).send(get()), client(rig.port).send(get())];
    others[0]!.socket.pause();
    await waitFor(() => cell(rig, LISTENER_CELL.BYTES_IN) >= 3 * get().length, 'the others');
    sockets[0]!.write(ok(body));
    expect((await others[1]!.until((text) => text.length > body.length)).length).toBeGreaterThan(body.length);
    expect(sockets).toHaveLength(1);
  });

  it('works as docs/proxy.md says', async () => {
    const page = readFileSync(resolve(import.meta.dirname, '../../docs/proxy.md'), 'utf8');
    const text = /```yaml\n([\s\S]*?)```/.exec(page.slice(page.indexOf('### One request for many')))![1]!;
    const result = loadProxyConfig('proxy.yaml', text, { environment: {}, cores: 1, cwd: '/' });
    if ('problems' in result) throw new Error(result.problems[0]!.message);
    const [listener] = result.config.listeners;
    const routes = listener?.protocol === 'http' ? listener.routes : [];
    const { rig, sockets } = await heldRig({}, { routes });
    const first = get('', '/news/today');
    const readers = Array.from({ length: 10 }, () => client(rig.port).send(first));
    await waitFor(() => cell(rig, LISTENER_CELL.BYTES_IN) === 10 * first.length, 'all readers');
    await waitFor(() => sockets.length === 1, 'one request');
    sockets[0]!.write(ok('news'));
    for (const one of readers) await one.until((all) => all.endsWith('news'));
    expect(sockets).toHaveLength(1);
    for (let i = 0; i < 3; i++) client(rig.port).send(get('', '/other'));
    await waitFor(() => sockets.length === 4, 'three requests');
  });
});
