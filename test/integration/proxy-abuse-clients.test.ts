import { connect, type Socket } from 'node:net';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { answerToCompanion, Companion } from '../support/companion.js';
import { removeFolders } from '../support/folder.js';
import {
  endProxyPrograms,
  type ProxyProgram,
  type ProxyProgramOptions,
  startProxyProgram,
  TIERS,
} from '../support/proxy-program.js';
import { readMessages } from '../support/strict-http.js';
import { until } from '../support/until.js';
import { backend, client, endAll, exchange, ok, type RawClient } from './proxy-rig.js';

const MB = 1024 * 1024;
/** Deadlines are looked at every so often, and the machine may be busy. */
const SLACK_MS = 3_000;
/** An honest client must never wait this long because of others. */
const HONEST_MS_MAX = 1_500;

let companion: Companion | null = null;
const sockets: Socket[] = [];
let io: (typeof TIERS)[number];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  companion?.end();
  companion = null;
  await endProxyPrograms();
  await endAll();
  removeFolders();
});

/** A proxy in front of one endpoint that answers companions, and others by `respond`; with a companion at work. */
async function attacked(
  options: Omit<ProxyProgramOptions, 'ports' | 'io'>,
  respond: (head: string, socket: Socket) => string | null = () => ok('fine'),
): Promise<ProxyProgram> {
  const port = await backend((socket) => {
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
        const head = text.slice(0, end + 4);
        text = text.slice(end + 4);
        const answer = answerToCompanion(head) ?? respond(head, socket);
        if (answer !== null) socket.write(answer, 'latin1');
      }
    });
    socket.on('end', () => socket.end());
  });
  const proxy = await startProxyProgram({ io, ports: [port], ...options });
  companion = new Companion(proxy.port);
  await until('the companion to be served', () => companion!.answered > 20);
  return proxy;
}

async function expectHonestServed(): Promise<void> {
  const before = companion!.answered;
  await until(
    'more answers for the companion',
    () => companion!.problem ?? companion!.answered > before + 20,
  );
  expect(companion!.problem).toBeNull();
  expect(companion!.slowestMs).toBeLessThan(HONEST_MS_MAX);
}

function many(port: number, count: number): RawClient[] {
  return Array.from({ length: count }, () => client(port));
}

/** The clients send `text` byte by byte, all at the same pace, until they are closed or there is nothing left. */
async function trickle(clients: readonly RawClient[], text: string, everyMs: number): Promise<void> {
  for (const byte of text) {
    const open = clients.filter(({ socket, ended }) => !ended && !socket.destroyed);
    if (open.length === 0) return;
    for (const raw of open) raw.send(byte);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

const ACTIVE = 'connections_active';

describe.each(TIERS)('with io: %s,', (tier) => {
  beforeAll(() => {
    io = tier;
  });

  describe('heads that arrive slowly', () => {
    it('end with 408 once the time for a head is over, however steadily bytes come', async () => {
      const proxy = await attacked({ timeouts: { header: '400ms' } });
      const slow = many(proxy.port, 100);
      const startMs = performance.now();
      const head = `GET / HTTP/1.1\r\nHost: a\r\nX-Long: ${'x'.repeat(1_000)}`;
      void trickle(slow, head, 20);
      for (const raw of slow) expect(await raw.untilEnd()).toMatch(/^HTTP\/1\.1 408 /);
      // Accepting allows one more period before the first byte.
      expect(performance.now() - startMs).toBeLessThan(2 * 400 + SLACK_MS);
      for (const { socket } of slow) socket.destroy();
      await until('the slow ones to be gone', async () => (await proxy.metric(ACTIVE)) === 1);
      await expectHonestServed();
    });

    it('end a kept connection too, when the second head comes slowly', async () => {
      const proxy = await attacked({ timeouts: { header: '300ms' } });
      const raw = client(proxy.port).send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
      await raw.until((text) => text.endsWith('fine'));
      void trickle([raw], `GET / HTTP/1.1\r\nX: ${'x'.repeat(500)}`, 20);
      expect(await raw.untilEnd()).toMatch(/fineHTTP\/1\.1 408 /);
    });
  });

  describe('connections on which nothing comes', () => {
    it('end without a word, those beyond the limit at once, and make room again', async () => {
      const proxy = await attacked({ timeouts: { header: '700ms' }, limits: { connections: 200 } });
      const silent = many(proxy.port, 400);
      await until('the refusals', async () => (await proxy.metric('connections_refused_total')) >= 150);
      expect(await proxy.metric(ACTIVE)).toBeLessThanOrEqual(200);
      for (const raw of silent) expect(await raw.untilEnd()).toBe('');
      for (const { socket } of silent) socket.destroy();
      await until('room', async () => (await proxy.metric(ACTIVE)) === 1);
      expect(await exchange(proxy.port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')).toMatch(
        /fine$/,
      );
      await expectHonestServed();
    });

    it('that were half-closed by their client end at once', async () => {
      const proxy = await attacked({});
      const half = many(proxy.port, 200);
      for (const { socket } of half) socket.end();
      for (const raw of half) expect(await raw.untilEnd()).toBe('');
      await until('them to be gone', async () => (await proxy.metric(ACTIVE)) === 1);
      await expectHonestServed();
    });
  });

  describe('bodies that arrive slowly', () => {
    it('end with 408 when bytes stop coming, and give the endpoint its connection back', async () => {
      const proxy = await attacked({ timeouts: { client_idle: '400ms' } }, () => null);
      const slow = many(proxy.port, 50);
      for (const raw of slow) raw.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc');
      for (const raw of slow) expect(await raw.untilEnd()).toMatch(/^HTTP\/1\.1 408 /);
      await until('the endpoint to be free', async () => (await proxy.metric('endpoint_connections')) <= 1);
      await expectHonestServed();
    });

    it('that trickle are served, and hold up nobody else', async () => {
      const proxy = await attacked({ timeouts: { client_idle: '2s' } }, (head, socket) => {
        if (head.startsWith('POST')) setTimeout(() => socket.write(ok('taken')), 1_000);
        return null;
      });
      const slow = many(proxy.port, 100);
      for (const raw of slow) raw.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
      await trickle(slow, '5\r\nhello\r\n'.repeat(5), 20);
      for (const raw of slow) raw.send('0\r\n\r\n');
      for (const raw of slow)
        expect(await raw.until((text) => text.endsWith('taken'))).toMatch(/^HTTP\/1\.1 200 /);
      await expectHonestServed();
    });
  });

  describe('clients that do not read', () => {
    it('are cut when the time for a response is over; memory stays bounded', async () => {
      const size = 64 * MB;
      const block = Buffer.alloc(64 * 1024, 'x');
      const proxy = await attacked({ timeouts: { response: '700ms' } }, (_, socket) => {
        let left = size;
        const pump = (): void => {
          while (left > 0 && !socket.destroyed) {
            left -= block.length;
            if (!socket.write(block)) return;
          }
        };
        socket.on('drain', pump);
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
        pump();
        return null;
      });
      const before = proxy.residentBytes();
      const deaf = Array.from({ length: 30 }, () => {
        const socket = connect({ host: '127.0.0.1', port: proxy.port });
        sockets.push(socket);
        socket.on('error', () => {});
        socket.pause();
        socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
        return socket;
      });
      await until('all to be asked', async () => (await proxy.metric('endpoint_connections')) >= deaf.length);
      let highest = 0;
      await until('the deaf to be cut', async () => {
        highest = Math.max(highest, proxy.residentBytes() - before);
        return (await proxy.metric(ACTIVE)) === 1;
      });
      expect(await proxy.metric('responses_aborted_total')).toBeGreaterThan(0);
      // 30 times 64 MB were on their way.
      expect(highest).toBeLessThan(120 * MB);
      await until('the endpoint to be free', async () => (await proxy.metric('endpoint_connections')) <= 1);
      await expectHonestServed();
    });

    it('of many pipelined responses stop being served, not being remembered', async () => {
      const body = 'x'.repeat(10_000);
      let asked = 0;
      const proxy = await attacked({}, () => {
        asked++;
        return ok(body);
      });
      const before = proxy.residentBytes();
      const deaf = connect({ host: '127.0.0.1', port: proxy.port });
      sockets.push(deaf);
      deaf.on('error', () => {});
      deaf.pause();
      const requests = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(1_000);
      // 20,000 requests for 200 MB; none of it is read.
      for (let i = 0; i < 20; i++) deaf.write(requests);
      let last = -1;
      await until('the requests to stall', async () => {
        const still = asked > 0 && asked === last;
        last = asked;
        await new Promise((resolve) => setTimeout(resolve, 300));
        return still;
      });
      expect(asked).toBeLessThan(20_000);
      expect(proxy.residentBytes() - before).toBeLessThan(60 * MB);
      await expectHonestServed();
    });
  });

  describe('huge heads', () => {
    const line = (length: number): string => `X-Long: ${'x'.repeat(length - 10)}\r\n`;
    const START = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n';

    const BAD = [
      ['32 KiB and more in one line', `${START}${line(33_000)}\r\n`, 431],
      ['32 KiB and more in many lines', `${START}${line(1_000).repeat(33)}\r\n`, 431],
      ['a target of 33 KB', `GET /${'x'.repeat(33_000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 431],
      ['32 KiB without any end of line', 'x'.repeat(33_000), 431],
      ['101 lines', `${START}${'X: 1\r\n'.repeat(99)}\r\n`, 431],
      ['a method of 33 bytes', `${'M'.repeat(33)} / HTTP/1.1\r\nHost: a\r\n\r\n`, 400],
      ['three empty lines before', '\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ] as const;
    const GOOD = [
      ['100 lines', `${START}${'X: 1\r\n'.repeat(98)}\r\n`],
      ['just under 32 KiB', `${START}${line(32_000)}\r\n`],
    ] as const;

    it('are refused beyond 32 KiB, 100 lines, a method of 32 bytes and two empty lines; up to there they pass', async () => {
      const proxy = await attacked({});
      for (const [what, request, status] of BAD) {
        const text = await exchange(proxy.port, request);
        expect(text, what).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
        expect(text.match(/HTTP\/1\.1 \d/g), what).toHaveLength(1);
      }
      for (const [what, request] of GOOD) {
        expect(await exchange(proxy.port, request), what).toMatch(/^HTTP\/1\.1 200 [\s\S]*fine$/);
      }
      await expectHonestServed();
    });

    it('that never end take a bounded memory, and none for long', async () => {
      const proxy = await attacked({ timeouts: { header: '1s' } });
      const before = proxy.residentBytes();
      const holders = many(proxy.port, 500);
      for (const raw of holders) raw.send(`GET / HTTP/1.1\r\n${line(31_000)}`);
      for (const raw of holders) expect(await raw.untilEnd()).toMatch(/^HTTP\/1\.1 408 /);
      // A head grows in a buffer that doubles: 64 KiB for each at most, and what reading them took.
      expect(proxy.residentBytes() - before).toBeLessThan(500 * 64 * 1024 + 60 * MB);
      await expectHonestServed();
    });
  });

  describe('a client that closes at any byte', () => {
    const AT_ONCE = 16;
    const REQUESTS = [
      'GET /a HTTP/1.1\r\nHost: www.example.com\r\n\r\n',
      'POST /b HTTP/1.1\r\nHost: www.example.com\r\nContent-Length: 12\r\n\r\nhello, world',
      'POST /c HTTP/1.1\r\nHost: www.example.com\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n',
    ];

    it.each(['end', 'reset'] as const)(
      'by %s never makes the endpoint see the request whole',
      async (way) => {
        const port = await backend((socket) => {
          const stream: Buffer[] = [];
          socket.on('data', (chunk: Buffer) => {
            stream.push(chunk);
            const { messages } = readMessages(Buffer.concat(stream), 'request');
            for (const message of messages.filter(({ complete }) => complete)) {
              socket.write(answerToCompanion(`${message.line}\r\n`) ?? ok('whole'));
            }
            if (messages.length > 0 && messages.every(({ complete }) => complete)) stream.length = 0;
          });
          socket.on('end', () => socket.end());
        });
        const proxy = await startProxyProgram({ io, ports: [port] });
        companion = new Companion(proxy.port);
        const cutAt = async (request: string, cut: number): Promise<void> => {
          const raw = client(proxy.port);
          if (cut > 0) raw.send(request.slice(0, cut));
          if (way === 'end') raw.socket.end();
          else raw.socket.once('connect', () => raw.socket.resetAndDestroy());
          const text = await raw.untilEnd();
          const what = `${request.slice(0, 6)} cut at ${cut}`;
          expect(text, what).not.toContain('whole');
          expect(text, what).not.toMatch(/^HTTP\/1\.1 [123]/);
        };
        for (const request of REQUESTS) {
          for (let from = 0; from < request.length; from += AT_ONCE) {
            const count = Math.min(AT_ONCE, request.length - from);
            await Promise.all(Array.from({ length: count }, (_, i) => cutAt(request, from + i)));
          }
          const whole = request.replace('\r\n', '\r\nConnection: close\r\n');
          expect(await exchange(proxy.port, whole)).toMatch(/whole$/);
        }
        await until('all to be gone', async () => (await proxy.metric(ACTIVE)) === 1);
        await until('the endpoint to be free', async () => {
          const idle = await proxy.metric('endpoint_connections_idle');
          return (await proxy.metric('endpoint_connections')) - idle <= 1;
        });
        await expectHonestServed();
      },
    );
  });
});
