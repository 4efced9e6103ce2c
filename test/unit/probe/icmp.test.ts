import { createSocket } from 'node:dgram';
import { describe, expect, it } from 'vitest';
import { PING_NOT_ALLOWED } from '../../../src/io/ping-socket.js';
import { echoRequest, isEchoReply } from '../../../src/probe/icmp.js';
import { ask } from '../../support/peers.js';

const TOKEN = Uint8Array.from({ length: 16 }, (_, i) => i + 1);

describe('the messages of an icmp probe', () => {
  it.each([
    [4, '0800000000000001'],
    [6, '8000000000000001'],
  ] as const)('ask with type and code of IPv%d, and leave the rest to the kernel', (family, head) => {
    expect(Buffer.from(echoRequest(family, TOKEN)).toString('hex')).toBe(
      `${head}0102030405060708090a0b0c0d0e0f10`,
    );
  });

  const reply = (type: number, token: Uint8Array) => Uint8Array.from([type, 0, 1, 2, 3, 4, 0, 1, ...token]);

  it.each<[string, 4 | 6, Uint8Array, boolean]>([
    ['the reply of IPv4', 4, reply(0, TOKEN), true],
    ['the reply of IPv6', 6, reply(129, TOKEN), true],
    ['the reply of the other family', 4, reply(129, TOKEN), false],
    ['its own request', 4, echoRequest(4, TOKEN), false],
    ['"unreachable"', 4, reply(3, TOKEN), false],
    ['the reply to another', 4, reply(0, TOKEN.toReversed()), false],
    ['a short reply', 4, reply(0, TOKEN.subarray(1)), false],
    ['a long reply', 4, reply(0, Uint8Array.from([...TOKEN, 0])), false],
    ['nothing', 4, new Uint8Array(0), false],
  ])('know %s', (_, family, bytes, known) => {
    expect(isEchoReply(bytes, family, TOKEN)).toBe(known);
  });
});

describe('an icmp probe', () => {
  it('says what to set where this host allows no ping', async () => {
    const openPing = () => ({ unavailable: PING_NOT_ALLOWED });
    const result = await ask({ type: 'icmp' }, { openPing });
    expect(result).toMatchObject({ ok: false, local: true, detail: PING_NOT_ALLOWED });
    expect(result.detail).toContain('net.ipv4.ping_group_range');
  });

  it('closes its socket at the timeout, and asks for the source of its family', async () => {
    const asked: unknown[] = [];
    let closed = false;
    const openPing = (family: 4 | 6, source?: string) => {
      asked.push(family, source);
      const socket = createSocket('udp4');
      socket.on('close', () => {
        closed = true;
      });
      return { socket };
    };
    const check = { type: 'icmp', sources: ['::1', '127.0.0.9'], timeoutMs: 50 } as const;
    expect((await ask(check, { openPing })).ok).toBe(false);
    await new Promise((resolve) => setImmediate(resolve));
    expect(asked).toEqual([4, '127.0.0.9']);
    expect(closed).toBe(true);
  });
});
