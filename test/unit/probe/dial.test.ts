import { createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { parsePrefix } from '../../../src/core/dns/rdata/address.js';
import { EVERY_NETWORK, PROBE_LIMITS_DEFAULT, type ProbeNetworks } from '../../../src/core/probe/limits.js';
import type { Prefix } from '../../../src/core/zone/model.js';
import { dialOptions, resolveOne } from '../../../src/probe/dial.js';
import type { Check } from '../../../src/probe/probe.js';
import { ask, closePeers, listen, listenUdp } from '../../support/peers.js';

afterEach(closePeers);

const prefixes = (...texts: readonly string[]) => texts.map((text) => parsePrefix(text) as Prefix);
const without = (...deny: readonly string[]): ProbeNetworks => ({
  allow: prefixes('0.0.0.0/0', '::/0'),
  deny: prefixes(...deny),
});
const LOOPBACK = without('127.0.0.0/8', '::1');

describe('networks that may not be probed', () => {
  const http = { path: '/', method: 'GET', status: [{ from: 200, to: 399 }], verify: false } as const;
  const questions: readonly Check[] = [
    { type: 'tcp', port: 0, timeoutMs: 1000 },
    { type: 'tls', port: 0, verify: false, minDays: 0, timeoutMs: 1000 },
    { ...http, type: 'http', port: 0, timeoutMs: 1000 },
    { ...http, type: 'https', port: 0, timeoutMs: 1000 },
    { ...http, type: 'http2', port: 0, tls: true, timeoutMs: 1000 },
    { ...http, type: 'http2', port: 0, tls: false, timeoutMs: 1000 },
    { type: 'grpc', port: 0, service: '', tls: false, verify: false, timeoutMs: 1000 },
    { type: 'dns', port: 0, queryName: '.', queryType: 1, protocol: 'udp', rcode: 0, timeoutMs: 1000 },
    { type: 'dns', port: 0, queryName: '.', queryType: 1, protocol: 'tcp', rcode: 0, timeoutMs: 1000 },
    { type: 'udp', port: 0, send: '00', timeoutMs: 1000 },
    { type: 'icmp', timeoutMs: 1000 },
  ];

  it.each(
    questions.flatMap((check) =>
      ['127.0.0.1', '::ffff:127.0.0.1', 'localhost'].map((host) => [check.type, host, check] as const),
    ),
  )('are not reached by %s to %s', async (_, host, check) => {
    const reached: string[] = [];
    const { port } = await listen(createServer(() => reached.push('tcp')));
    const udp = await listenUdp(() => [Buffer.from(`${reached.push('udp')}`)]);
    const limits = { ...PROBE_LIMITS_DEFAULT, networks: LOOPBACK };
    const asks = check.type === 'udp' || (check.type === 'dns' && check.protocol === 'udp') ? udp.port : port;
    const result = await ask({ ...check, ...('port' in check && { port: asks }) } as Check, { host, limits });
    expect(result).toMatchObject({ ok: false, local: true });
    expect(result.detail).toContain('is not among the networks that may be probed (probes.networks)');
    expect(reached).toEqual([]);
  });

  it('leave the others reachable, by address and by name', async () => {
    const { port } = await listen(createServer());
    const limits = { ...PROBE_LIMITS_DEFAULT, networks: without('10.0.0.0/8', '::1') };
    for (const host of ['127.0.0.1', 'localhost']) {
      expect(await ask({ type: 'tcp', port }, { host, limits })).toMatchObject({ ok: true });
    }
  });
});

describe('the source of a probe', () => {
  it.each<[string, readonly string[] | undefined, object]>([
    ['192.0.2.1', undefined, {}],
    ['192.0.2.1', ['127.0.0.9'], { localAddress: '127.0.0.9' }],
    ['192.0.2.1', ['::1', '127.0.0.9'], { localAddress: '127.0.0.9' }],
    ['2001:db8::1', ['127.0.0.9', '::1'], { localAddress: '::1' }],
    ['2001:db8::1', ['127.0.0.9'], {}],
    ['www.example.com', ['::1', '127.0.0.9'], { localAddress: '::1', family: 6 }],
    ['www.example.com', undefined, {}],
  ])('to %s with %j', (host, sources, expected) => {
    const dial = { host, port: 1, ...(sources && { sources }) };
    expect(dialOptions(dial, EVERY_NETWORK)).toEqual({ host, port: 1, ...expected });
  });

  it('is what the peer sees', async () => {
    const seen: (string | undefined)[] = [];
    const { port } = await listen(createServer((socket) => seen.push(socket.remoteAddress)));
    expect(await ask({ type: 'tcp', port, sources: ['127.0.0.9'] })).toMatchObject({ ok: true });
    const udp = await listenUdp(() => [Buffer.from('x')]);
    udp.socket.on('message', (_, { address }) => seen.push(address));
    expect(await ask({ type: 'udp', port: udp.port, send: '00', sources: ['127.0.0.9'] })).toMatchObject({
      ok: true,
    });
    expect(seen).toEqual(['127.0.0.9', '127.0.0.9']);
  });

  it.each(['tcp', 'udp'] as const)(
    'that this host does not have makes a %s probe fail by name',
    async (type) => {
      const sources = ['192.0.2.77'];
      const check = type === 'tcp' ? { type, port: 9, sources } : { type, port: 9, send: '00', sources };
      const result = await ask(check);
      expect(result).toMatchObject({ ok: false, local: true, detail: 'no local address for this network' });
    },
  );
});

describe('resolveOne()', () => {
  it('finds an address of the family of the source', async () => {
    const found = await resolveOne({ host: 'localhost', sources: ['127.0.0.9'] }, EVERY_NETWORK);
    expect(found).toEqual({ address: '127.0.0.1', family: 4, source: '127.0.0.9' });
  });

  it('rejects for a name that does not exist', async () => {
    await expect(resolveOne({ host: 'no.such.name.invalid' }, EVERY_NETWORK)).rejects.toThrow();
  });
});
