import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeMessage, type Message } from '../../src/core/dns/message.js';
import { dig, isInstalled } from '../support/dig.js';
import { removeFolders } from '../support/folder.js';
import { startNode, type TestNode } from '../support/node.js';
import { packet } from '../support/packet.js';
import { endPrograms } from '../support/process.js';

const ZONE = `zone: example.com
nameservers: { ns1: { A: 192.0.2.53 } }
records: { www: { type: A, value: 192.0.2.1 } }
`;
const RATE = 20;
const FLOOD = 400;

/** Sends `count` queries from an address, and gathers the answers until none has come for a while. */
async function asked(port: number, from: string, count: number): Promise<Message[]> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
  socket.bind(0, from);
  await once(socket, 'listening');
  const answers: Message[] = [];
  let lastMs = performance.now();
  socket.on('message', (bytes) => {
    lastMs = performance.now();
    answers.push(decodeMessage(bytes)!);
  });
  for (let id = 0; id < count; id++) {
    socket.send(packet({ id, name: 'www.example.com' }), port, '127.0.0.1');
    // No more under way than a socket's buffer holds.
    if (id % 16 === 15) await new Promise((done) => setTimeout(done, 2));
  }
  while (performance.now() - lastMs < 500) await new Promise((done) => setTimeout(done, 50));
  socket.close();
  return answers;
}

describe.each(['batched', 'portable'])('limits on answers, with dns.io: %s', (io) => {
  let node: TestNode;
  beforeAll(async () => {
    node = await startNode({
      zones: { 'example.com.yaml': ZONE },
      config: {
        dns: {
          io,
          workers: 1,
          rate_limit: { responses_per_second: RATE, ipv4_prefix: 32, exempt: ['127.0.0.9/32'] },
        },
      },
    });
  });
  afterAll(async () => {
    await endPrograms();
    removeFolders();
  });

  it('a flood gets its rate, then every second answer truncated; others and exempt clients all of theirs', async () => {
    const [flood, exempt] = await Promise.all([
      asked(node.port, '127.0.0.2', FLOOD),
      asked(node.port, '127.0.0.9', FLOOD),
    ]);
    const whole = flood.filter(({ truncated }) => !truncated).length;
    const cut = flood.length - whole;
    // The second may turn once while the flood comes in.
    expect(whole).toBeGreaterThanOrEqual(RATE);
    expect(whole).toBeLessThanOrEqual(2 * RATE);
    expect(cut).toBeGreaterThanOrEqual((FLOOD - 2 * RATE) / 2 - 2);
    expect(exempt.filter(({ truncated }) => !truncated)).toHaveLength(FLOOD);
    expect((await asked(node.port, '127.0.0.3', 5)).map(({ truncated }) => truncated)).toEqual(
      Array(5).fill(false),
    );
    const counted = await node.metric('meridian_dns_rate_limited_total{kind="response",action="truncated"}');
    expect(counted).toBe(cut);
  });

  it.skipIf(!isInstalled('dig', '-v'))(
    'dig from a limited address comes by TCP and is answered',
    async () => {
      await asked(node.port, '127.0.0.4', FLOOD);
      const { flags, answers } = await dig(node, 'www.example.com', '-b', '127.0.0.4', '+tries=4');
      expect(answers).toHaveLength(1);
      expect(flags).not.toContain('tc');
    },
  );
});
