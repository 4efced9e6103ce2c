import { connect } from 'node:net';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { loadLinux } from '../../../../src/io/batched/linux.js';
import { BatchedNetwork } from '../../../../src/io/batched/network.js';
import { loadOpenSsl } from '../../../../src/io/batched/openssl.js';
import type { Certificate } from '../../../../src/io/network.js';
import { certificate, hasOpenssl } from '../../../support/certificate.js';
import { removeFolders } from '../../../support/folder.js';
import { ConnectionLog } from '../../../support/network-rig.js';

const linux = loadLinux();
const usable = !('unavailable' in linux) && !('unavailable' in loadOpenSsl()) && hasOpenssl;

describe.skipIf(!usable)('the time for a TLS handshake', () => {
  let pair: Certificate;

  beforeAll(() => {
    const { cert, key } = certificate();
    pair = { cert: cert.toString(), key: key.toString() };
    removeFolders();
  });

  const ends: (() => void)[] = [];

  afterEach(() => {
    for (const end of ends.splice(0)) end();
  });

  it('is limited, whatever the handler allows', async () => {
    if ('unavailable' in linux) return;
    let nowMs = 0;
    const network = new BatchedNetwork({ linux, clock: () => nowMs, woken: () => {} });
    const tls = network.serverTls({
      certificates: [pair],
      alpn: [],
      minVersion: 'TLSv1.2',
      ticketKeys: [],
      clientCa: null,
    });
    const logs: ConnectionLog[] = [];
    const accept = () => {
      const log = new ConnectionLog();
      logs.push(log);
      return log;
    };
    const { address } = await network.listen({ host: '127.0.0.1', port: 0 }, { shared: false, tls }, accept);
    const silent = connect(address.port, address.host).on('error', () => {});
    const client = new ConnectionLog();
    const trusting = { serverName: 'a', ca: null, verify: false, alpn: [], certificate: null };
    network.connect(address, network.clientTls(trusting), client);
    ends.push(() => {
      silent.destroy();
      network.close();
    });
    const turnUntil = async (done: () => boolean) => {
      for (let i = 0; i < 5_000 && !done(); i++) {
        network.loop.turn(0);
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(done()).toBe(true);
    };
    await turnUntil(() => logs.length === 2 && client.events.includes('open'));
    nowMs = 9_000;
    for (let i = 0; i < 20; i++) network.loop.turn(0);
    expect(logs.flatMap(({ events }) => events)).toEqual([]);
    nowMs = 11_500;
    await turnUntil(() => logs.some(({ events }) => events.includes('close')));
    const [closed, ...others] = [...logs].sort((a, b) => b.events.length - a.events.length);
    expect(closed!.error).toMatchObject({ code: 'timeout', message: expect.stringContaining('handshake') });
    // Whose handshake is done stays.
    expect(others.flatMap(({ events }) => events)).toEqual([]);
    expect(client.events).toEqual(['open']);
  });
});
