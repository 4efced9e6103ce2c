import type { Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { answerToCompanion, Companion } from '../support/companion.js';
import { removeFolders } from '../support/folder.js';
import { endProxyPrograms, type ProxyProgram, startProxyProgram, TIERS } from '../support/proxy-program.js';
import { readMessages } from '../support/strict-http.js';
import { until } from '../support/until.js';
import { backend, endAll, ok, client as open, type RawClient } from './proxy-rig.js';

/** What the endpoint does with the next request that is not a companion's. */
let behave: (socket: Socket, head: string) => void = () => {};
let proxy: ProxyProgram;
let companion: Companion;

const opened: RawClient[] = [];

function client(port: number): RawClient {
  const raw = open(port);
  opened.push(raw);
  return raw;
}

const RESPONSE_MS = 500;
const HONEST_MS_MAX = 1_500;

const GET = 'GET /odd HTTP/1.1\r\nHost: www.example.com\r\n\r\n';
const GET_NEXT = 'GET /next HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n';
const HEAD = GET.replace('GET', 'HEAD');
const NEXT = ok('the next response');

/** The endpoint sends this to `/odd`, then ends as said; to `/next` it answers properly. */
function answerWith(bytes: string, then: 'keep' | 'end' | 'reset' = 'keep'): void {
  behave = (socket, head) => {
    if (head.includes(' /next ')) {
      socket.write(NEXT);
    } else if (then === 'reset') {
      // The bytes have to leave before the reset, which would overtake them.
      socket.write(bytes, 'latin1', () => setTimeout(() => socket.resetAndDestroy(), 2));
    } else {
      socket.write(bytes, 'latin1');
      if (then === 'end') socket.end();
    }
  };
}

/** Asks, then asks for something else on the same connection if that is possible, otherwise on another one. */
async function askTwice(first = GET): Promise<{ text: string; next: string }> {
  const raw = client(proxy.port).send(first);
  await until(
    'an answer or the end',
    () => raw.text.includes('\r\n\r\n') || raw.ended || raw.socket.destroyed,
  );
  const before = raw.text;
  if (!raw.ended && !raw.socket.destroyed) raw.send(GET_NEXT);
  const text = await raw.untilEnd();
  raw.socket.destroy();
  const next = await client(proxy.port).send(GET_NEXT).untilEnd();
  return { text: text.startsWith(before) ? text : before, next };
}

/** What a strict client makes of it: complete messages only. */
function completeBodies(text: string, methods: readonly string[] = ['GET', 'GET']): string[] {
  const { messages, error } = readMessages(Buffer.from(text, 'latin1'), 'response', methods);
  expect(error, text).toBeNull();
  return messages.filter(({ complete }) => complete).map(({ line, body }) => `${line.slice(9, 12)} ${body}`);
}

/**
 * Whether the connection was reset. Node says 'end' where the last bytes and the reset are noticed together; a write
 * then fails at once, which it does not do after an orderly end.
 */
function wasReset(raw: RawClient): Promise<boolean> {
  if (raw.error !== null) return Promise.resolve(raw.error.code === 'ECONNRESET');
  return new Promise((resolve) => {
    raw.socket.write('x', (error) => resolve(error !== null && error !== undefined));
  });
}

describe.each(TIERS)('with io: %s,', (io) => {
  beforeAll(async () => {
    const port = await backend((socket) => {
      let text = '';
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString('latin1');
        for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
          const head = text.slice(0, end + 4);
          text = text.slice(end + 4);
          const answer = answerToCompanion(head);
          if (answer === null) behave(socket, head);
          else socket.write(answer);
        }
      });
      socket.on('end', () => socket.end());
    });
    proxy = await startProxyProgram({ io, ports: [port], timeouts: { response: `${RESPONSE_MS}ms` } });
    companion = new Companion(proxy.port);
    await until('the companion to be served', () => companion.answered > 20);
  });

  afterEach(async () => {
    for (const raw of opened.splice(0)) raw.socket.destroy();
    const before = companion.answered;
    await until(
      'more answers for the companion',
      () => companion.problem ?? companion.answered > before + 10,
    );
    expect(companion.problem).toBeNull();
    expect(companion.slowestMs).toBeLessThan(HONEST_MS_MAX);
  });

  afterAll(async () => {
    companion.end();
    await endProxyPrograms();
    await endAll();
    removeFolders();
  });

  describe('interim responses without end', () => {
    it('in one piece are a 502 after a few', async () => {
      answerWith('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'.repeat(5_000));
      const { text, next } = await askTwice();
      expect(text.match(/HTTP\/1\.1 103/g)!.length).toBeLessThan(100);
      expect(text).toMatch(/HTTP\/1\.1 502 /);
      expect(next).toMatch(/the next response$/);
    });

    it('that keep coming slowly do not keep a request alive', async () => {
      let timer: NodeJS.Timeout | undefined;
      let cut = false;
      behave = (socket) => {
        timer = setInterval(() => socket.write('HTTP/1.1 102 Processing\r\n\r\n'), 30);
        socket.on('close', () => {
          clearInterval(timer);
          cut = true;
        });
      };
      const raw = client(proxy.port).send(GET);
      expect(await raw.until((text) => /HTTP\/1\.1 50[24] /.test(text))).toContain('HTTP/1.1 102');
      await until('the end at the endpoint', () => cut);
    });
  });

  describe('an endpoint that closes at any byte', () => {
    const RESPONSES: Readonly<Record<string, string>> = {
      length: 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\nX: y\r\n\r\n0123456789',
      chunked:
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n1\r\n!\r\n0\r\nX-T: 1\r\n\r\n',
      'an interim response before':
        'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc',
      'no body': 'HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n',
    };

    it.each(
      Object.entries(RESPONSES).flatMap(([name, response]) =>
        (['end', 'reset'] as const).map((way) => ({ name, response, way })),
      ),
    )('by $way: its response with $name never looks complete', async ({ response, way }) => {
      const headStart = response.lastIndexOf('HTTP/1.1');
      const bodyStart = response.indexOf('\r\n\r\n', headStart) + 4;
      for (let cut = 0; cut < response.length; cut++) {
        answerWith(response.slice(0, cut), way);
        const raw = client(proxy.port).send(GET);
        await until('the end or a 502', () => / 502 /.test(raw.text) || raw.ended || raw.socket.destroyed);
        const text = raw.text.replace(/^HTTP\/1\.1 103[\s\S]*?\r\n\r\n/, '');
        if (cut < bodyStart) {
          expect(text, `cut at ${cut}`).toMatch(/^HTTP\/1\.1 502 /);
        } else {
          expect(completeBodies(text), `cut at ${cut}`).toEqual([]);
          expect(await wasReset(raw), `cut at ${cut}`).toBe(true);
        }
        raw.socket.destroy();
      }
      answerWith(response, 'end');
      const whole = client(proxy.port).send(GET);
      await until('the whole response', () =>
        completeBodies(whole.text).some((body) => !body.startsWith('103')),
      );
      whole.socket.destroy();
    });

    it('by reset: a response without length is cut too', async () => {
      answerWith('HTTP/1.1 200 OK\r\n\r\nuntil the end', 'reset');
      const raw = client(proxy.port).send(GET);
      await raw.untilEnd();
      expect(await wasReset(raw)).toBe(true);
    });
  });

  describe('an endpoint that lies about its length', () => {
    it.each(['end', 'keep'] as const)(
      'too short, then %s: the client sees a reset, not an end',
      async (then) => {
        answerWith('HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n0123456789', then);
        const raw = client(proxy.port).send(GET);
        await raw.untilEnd();
        expect(completeBodies(raw.text)).toEqual([]);
        expect(await wasReset(raw)).toBe(true);
      },
    );

    const POISON = ok('poison');

    it.each([
      ['with more behind its length', 'GET', `${ok('hello')}and more`, 'hello'],
      ['with a second response behind the first', 'GET', ok('hello') + POISON, 'hello'],
      ['with a body to HEAD', 'HEAD', ok('hello'), ''],
      [
        'with a body to HEAD that is a response',
        'HEAD',
        `HTTP/1.1 200 OK\r\nContent-Length: ${POISON.length}\r\n\r\n${POISON}`,
        '',
      ],
      ['with a body after 204', 'GET', `HTTP/1.1 204 No Content\r\n\r\n${POISON}`, ''],
      ['with a body after 304', 'GET', `HTTP/1.1 304 Not Modified\r\n\r\n${POISON}`, ''],
      [
        'with bytes behind the last chunk',
        'GET',
        `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n${POISON}`,
        'a',
      ],
    ])('%s: nobody else gets the rest', async (_, method, response, body) => {
      answerWith(response);
      const { text, next } = await askTwice(method === 'HEAD' ? HEAD : GET);
      expect(text + next).not.toContain('poison');
      const [first, ...more] = completeBodies(text, [method, 'GET']);
      expect(first?.slice(4)).toBe(body);
      for (const one of more) expect(one).toBe('200 the next response');
      expect(next).toMatch(/^HTTP\/1\.1 200 [\s\S]*the next response$/);
    });

    it('with more that comes later, into an idle connection: nobody gets it', async () => {
      behave = (socket, head) => {
        if (head.includes(' /next ')) socket.write(NEXT);
        else {
          socket.write(ok('hello'));
          setTimeout(() => socket.write(POISON), 50);
        }
      };
      // What comes into a connection that is in use again looks like its answer: nobody can tell.
      companion.paused = true;
      const raw = client(proxy.port).send(GET);
      await raw.until((text) => text.endsWith('hello'));
      await new Promise((resolve) => setTimeout(resolve, 100));
      for (let i = 0; i < 5; i++) {
        const next = await client(proxy.port).send(GET_NEXT).untilEnd();
        expect(next).toMatch(/^HTTP\/1\.1 200 [\s\S]*the next response$/);
      }
      companion.paused = false;
    });

    it.each([
      ['a length and a coding', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
      ['two lengths', 'Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!'],
      ['a list of lengths', 'Content-Length: 5, 5\r\n\r\nhello'],
      ['a negative length', 'Content-Length: -5\r\n\r\nhello'],
      ['a length with a sign', 'Content-Length: +5\r\n\r\nhello'],
      ['a hexadecimal length', 'Content-Length: 0x5\r\n\r\nhello'],
      ['a length of 20 digits', `Content-Length: ${'9'.repeat(20)}\r\n\r\nhello`],
      ['an empty length', 'Content-Length:\r\n\r\nhello'],
      ['another coding', 'Transfer-Encoding: gzip\r\n\r\nhello'],
      ['chunked twice', 'Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n'],
      ['a space before a colon', 'Content-Length : 5\r\n\r\nhello'],
      ['a folded line', 'X: a\r\n b\r\nContent-Length: 5\r\n\r\nhello'],
      ['a bare LF', 'X: a\nContent-Length: 5\r\n\r\nhello'],
      ['a bare CR', 'X: a\rb\r\nContent-Length: 5\r\n\r\nhello'],
      ['a NUL', 'X: a\0b\r\nContent-Length: 5\r\n\r\nhello'],
      ['a head of 33 KB', `X: ${'x'.repeat(33_000)}\r\nContent-Length: 5\r\n\r\nhello`],
      ['101 lines', `${'X: 1\r\n'.repeat(101)}\r\n`],
    ])('with %s: 502, and its connection is given up', async (_, rest) => {
      answerWith(`HTTP/1.1 200 OK\r\n${rest}`);
      const { text, next } = await askTwice();
      expect(text).toMatch(/^HTTP\/1\.1 502 /);
      expect(next).toMatch(/^HTTP\/1\.1 200 [\s\S]*the next response$/);
    });

    it.each([
      'HTTP/2 200\r\n\r\n',
      'HTTP/1.1 99 Low\r\n\r\n',
      'HTTP/1.1 2000 OK\r\n\r\n',
      'HTTP/1.1 200\tOK\r\n\r\n',
      'ICY 200 OK\r\n\r\n',
      ' HTTP/1.1 200 OK\r\n\r\n',
      '\0\0\0\0\r\n\r\n',
    ])('with the first line %j: 502', async (bytes) => {
      answerWith(bytes);
      expect((await askTwice()).text).toMatch(/^HTTP\/1\.1 50[25] /);
    });

    it.each([
      ['a chunk size that is none', 'zz\r\nhello\r\n0\r\n\r\n'],
      ['a chunk size beyond every integer', 'fffffffffffffffff\r\nhello'],
      ['a chunk longer than its size', '3\r\nhello\r\n0\r\n\r\n'],
      ['a chunk that ends in LF', '5\r\nhello\n0\r\n\r\n'],
      ['a framing field in its trailers', '5\r\nhello\r\n0\r\nContent-Length: 1\r\n\r\n'],
      ['trailers without end', `0\r\n${'X: 1\r\n'.repeat(20_000)}`],
      ['an extension without end', `5;${'x'.repeat(100_000)}\r\nhello\r\n0\r\n\r\n`],
    ])('with %s: never a complete response', async (_, body) => {
      answerWith(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${body}`);
      const raw = client(proxy.port).send(GET);
      await raw.untilEnd();
      expect(await wasReset(raw)).toBe(true);
      const { messages } = readMessages(Buffer.from(raw.text, 'latin1'), 'response', ['GET']);
      expect(messages.filter(({ complete }) => complete)).toEqual([]);
    });
  });

  describe('after all of this', () => {
    it('nothing is left over', async () => {
      behave = (socket) => socket.write(NEXT);
      await until('idle clients to be gone', async () => (await proxy.metric('connections_active')) === 1);
      const idle = await proxy.metric('endpoint_connections_idle');
      expect((await proxy.metric('endpoint_connections')) - idle).toBeLessThanOrEqual(1);
    });
  });
});
