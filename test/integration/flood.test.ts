import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { askTcp, askUdp } from '../support/differential-peers.js';
import { removeFolders } from '../support/folder.js';
import { FuzzPackets } from '../support/fuzz-packets.js';
import { FUZZ_ZONES } from '../support/fuzz-world.js';
import { startNode, type TestNode } from '../support/node.js';
import { packet } from '../support/packet.js';
import { endPrograms } from '../support/process.js';
import { until } from '../support/until.js';

const CONNECTIONS_MAX = 20;
const PER_CLIENT_MAX = 8;
const WAIT_MS = 3000;
const honest = (id: number) => packet({ id, name: 'www.example.com' });

describe.each(['batched', 'portable'])('floods, with dns.io: %s', (io) => {
  let node: TestNode;
  let flood: UdpSocket;
  const idle: Socket[] = [];
  beforeAll(async () => {
    const zones = Object.fromEntries(
      Object.entries(FUZZ_ZONES).map(([name, text]) => [`${name}.yaml`, text]),
    );
    const tcp = { max_connections: CONNECTIONS_MAX, max_per_client: PER_CLIENT_MAX };
    node = await startNode({ zones, config: { dns: { io, tcp } } });
    flood = createSocket('udp4');
    flood.connect(node.port, '127.0.0.1');
    await once(flood, 'connect');
  });
  afterEach(() => {
    for (const socket of idle.splice(0)) socket.destroy();
  });
  afterAll(async () => {
    flood.close();
    await endPrograms();
    removeFolders();
  });

  const packets = new FuzzPackets(1);
  const garbage = (i: number) => {
    packets.make(i);
    return Buffer.from(packets.bytes.subarray(0, packets.length));
  };
  const subdomain = (i: number) => packet({ name: `x${Math.imul(i, 0x9e3779b1) >>> 0}.example.com` });

  it.each([
    ['garbage', garbage],
    ['random subdomains', subdomain],
  ])('honest queries are answered among %s', async (_what, make) => {
    let answered = 0;
    for (let round = 0; round < 100; round++) {
      for (let i = 0; i < 50; i++) flood.send(make(50 * round + i));
      if ((await askUdp(node.port, honest(round), WAIT_MS)) !== undefined) answered++;
    }
    expect(answered).toBeGreaterThanOrEqual(99);
    expect(await node.metric('meridian_dns_faults_total')).toBe(0);
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['half a message', Buffer.from([0, 40, 1, 2, 3])],
  ])('honest connections are served among three times too many that send %s', async (_what, bytes) => {
    for (let i = 0; i < 3 * CONNECTIONS_MAX; i++) {
      const socket = createConnection({ port: node.port, host: '127.0.0.1' });
      socket.on('error', () => {});
      idle.push(socket);
      await once(socket, 'connect');
      if (bytes.length > 0) socket.write(bytes);
    }
    for (let id = 0; id < 10; id++) {
      expect((await askTcp(node.port, honest(id), WAIT_MS))?.length).toBeGreaterThan(12);
    }
    expect((await askUdp(node.port, honest(99), WAIT_MS))?.length).toBeGreaterThan(12);
  });

  it('one address can’t fill the table: silent connections of others stay', async () => {
    const open = async (localAddress: string) => {
      const socket = createConnection({ port: node.port, host: '127.0.0.1', localAddress });
      socket.on('error', () => {}).resume();
      idle.push(socket);
      await once(socket, 'connect');
      return socket;
    };
    const others = await Promise.all(['127.0.0.1', '127.0.0.3', '127.0.0.4'].map(open));
    const many: Socket[] = [];
    for (let i = 0; i < 3 * CONNECTIONS_MAX; i++) many.push(await open('127.0.0.2'));
    await until('the flood to be cut', () => many.filter(({ closed }) => !closed).length === PER_CLIENT_MAX);
    expect(others.map(({ closed }) => closed)).toEqual([false, false, false]);
    // And a new one from the same address is served, in place of one that asks nothing.
    expect((await askTcp(node.port, honest(1), WAIT_MS))?.length).toBeGreaterThan(12);
  });
});
