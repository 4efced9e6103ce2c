import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { removeFolders } from '../support/folder.js';
import { endProxyPrograms, type ProxyProgram, startProxyProgram, TIERS } from '../support/proxy-program.js';
import { readMessages, type StrictMessage } from '../support/strict-http.js';
import { backend, client, endAll, exchange, ok } from './proxy-rig.js';

const HOST = 'Host: www.example.com\r\n';
const END = 'Connection: close\r\n\r\n';

/** What is wrong, the request, and the status of its refusal. No endpoint may hear of any. */
const REFUSED: readonly (readonly [what: string, request: string, status: number])[] = [
  [
    'a coding and a length',
    `POST / HTTP/1.1\r\n${HOST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  ['no Host', 'GET / HTTP/1.1\r\n\r\n', 400],
  ['an empty Host', 'GET / HTTP/1.1\r\nHost:\r\n\r\n', 400],
  ['two different Hosts', `GET / HTTP/1.1\r\n${HOST}Host: evil.test\r\n\r\n`, 400],
  ['the same Host twice', `GET / HTTP/1.1\r\n${HOST}${HOST}\r\n`, 400],
  ['a list of Hosts', 'GET / HTTP/1.1\r\nHost: a.test, b.test\r\n\r\n', 400],
  ['a Host with user and password', 'GET / HTTP/1.1\r\nHost: user:pass@a.test\r\n\r\n', 400],
  ['a Host with a path', 'GET / HTTP/1.1\r\nHost: a.test/x\r\n\r\n', 400],
  ['a bad Host beside a good absolute target', 'GET http://a.test/ HTTP/1.1\r\nHost: a b\r\n\r\n', 400],
  ['a folded line', `GET / HTTP/1.1\r\n${HOST}X: a\r\n b\r\n\r\n`, 400],
  ['a folded first line', `GET / HTTP/1.1\r\n X: a\r\n${HOST}\r\n`, 400],
  ['a space before a colon', `GET / HTTP/1.1\r\nHost : www.example.com\r\n\r\n`, 400],
  ['a tab before a colon', `GET / HTTP/1.1\r\n${HOST}X\t: 1\r\n\r\n`, 400],
  ['a line without a colon', `GET / HTTP/1.1\r\n${HOST}X\r\n\r\n`, 400],
  ['a bare CR in a value', `GET / HTTP/1.1\r\n${HOST}X: a\rb\r\n\r\n`, 400],
  ['a bare LF after a line', `GET / HTTP/1.1\r\n${HOST}X: a\n\r\n`, 400],
  ['a bare LF after the request line', `GET / HTTP/1.1\n${HOST}\r\n`, 400],
  ['a NUL in a value', `GET / HTTP/1.1\r\n${HOST}X: a\0b\r\n\r\n`, 400],
  ['a NUL in a name', `GET / HTTP/1.1\r\n${HOST}X\0: a\r\n\r\n`, 400],
  ['an unknown coding', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: gzip\r\n\r\n`, 501],
  [
    'an unknown coding before chunked',
    `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
    501,
  ],
  ['chunked twice', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`, 400],
  [
    'an empty element before chunked',
    `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  [
    'an empty coding with a length',
    `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding:\r\nContent-Length: 5\r\n\r\nhello`,
    400,
  ],
  ['a coding with HTTP/1.0', `POST / HTTP/1.0\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
  ['a length with a sign', `POST / HTTP/1.1\r\n${HOST}Content-Length: +5\r\n\r\nhello`, 400],
  ['a list of lengths', `POST / HTTP/1.1\r\n${HOST}Content-Length: 5, 5\r\n\r\nhello`, 400],
  [
    'the same length twice',
    `POST / HTTP/1.1\r\n${HOST}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`,
    400,
  ],
  [
    'a length of 20 digits',
    `POST / HTTP/1.1\r\n${HOST}Content-Length: 18446744073709551621\r\n\r\nhello`,
    400,
  ],
  ['# in the target', `GET /a#b HTTP/1.1\r\n${HOST}\r\n`, 400],
  ['a bad escape', `GET /%zz HTTP/1.1\r\n${HOST}\r\n`, 400],
  ['an encoded NUL', `GET /%00 HTTP/1.1\r\n${HOST}\r\n`, 400],
  ['a target without a slash', `GET a HTTP/1.1\r\n${HOST}\r\n`, 400],
  ['an asterisk with GET', `GET * HTTP/1.1\r\n${HOST}\r\n`, 400],
  ['two spaces in the request line', `GET  / HTTP/1.1\r\n${HOST}\r\n`, 400],
  ['a space behind the version', `GET / HTTP/1.1 \r\n${HOST}\r\n`, 400],
  ['HTTP/0.9', 'GET /\r\n\r\n', 400],
  ['HTTP/1.2', `GET / HTTP/1.2\r\n${HOST}\r\n`, 505],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505],
  ['CONNECT', `CONNECT www.example.com:443 HTTP/1.1\r\n${HOST}\r\n`, 405],
  ['TRACE', `TRACE / HTTP/1.1\r\n${HOST}\r\n`, 405],
  ['a framing field named by Connection', `GET / HTTP/1.1\r\n${HOST}Connection: content-length\r\n\r\n`, 400],
];

/** Bodies that are refused after their head was passed on: the endpoint never sees them whole. */
const BAD_CHUNKS: readonly (readonly [what: string, body: string])[] = [
  ['a size with 0x', '0x5\r\nhello\r\n0\r\n\r\n'],
  ['a size with a sign', '+5\r\nhello\r\n0\r\n\r\n'],
  ['a size with a space before', ' 5\r\nhello\r\n0\r\n\r\n'],
  ['a size with a space behind', '5 \r\nhello\r\n0\r\n\r\n'],
  ['an empty size', '\r\nhello\r\n0\r\n\r\n'],
  ['a size beyond every integer', '10000000000000005\r\nhello\r\n0\r\n\r\n'],
  ['a size that ends in LF', '5\nhello\r\n0\r\n\r\n'],
  ['data that end in LF', '5\r\nhello\n0\r\n\r\n'],
  ['data longer than their size', '5\r\nhello!\r\n0\r\n\r\n'],
  ['a bare CR in an extension', '5;a\rb\r\nhello\r\n0\r\n\r\n'],
  ['a length in the trailers', '5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n'],
  ['a bare LF in the trailers', '5\r\nhello\r\n0\r\nX: 1\n\r\n'],
];

describe.each(TIERS)('with io: %s,', (io) => {
  let proxy: ProxyProgram;
  /** What the endpoint got whole since it was emptied. */
  let log: StrictMessage[] = [];

  beforeAll(async () => {
    const port = await backend((socket) => {
      let stream = Buffer.alloc(0);
      socket.on('data', (chunk: Buffer) => {
        stream = Buffer.concat([stream, chunk]);
        const whole = readMessages(stream, 'request').messages.filter(({ complete }) => complete);
        log.push(...whole);
        stream = stream.subarray(whole.at(-1)?.end ?? 0);
        for (const _ of whole) socket.write(ok('reached'));
      });
      socket.on('end', () => socket.end());
    });
    proxy = await startProxyProgram({ io, ports: [port] });
  });
  afterAll(async () => {
    await endProxyPrograms();
    await endAll();
    removeFolders();
  });

  it.each(REFUSED)('%s is refused, with everything behind it', async (_, request, status) => {
    log = [];
    const text = await exchange(proxy.port, `${request}GET /behind HTTP/1.1\r\n${HOST}${END}`);
    expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(text).toMatch(/\r\nconnection: close\r\n/i);
    expect(text.match(/HTTP\/1\.1 \d{3}/g)).toHaveLength(1);
    expect(log).toEqual([]);
  });

  it.each(BAD_CHUNKS)('a chunked body with %s is never passed on whole', async (_, body) => {
    log = [];
    const request = `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n${body}`;
    const text = await exchange(proxy.port, `${request}GET /behind HTTP/1.1\r\n${HOST}${END}`);
    expect(text).toMatch(/^HTTP\/1\.1 400 /);
    expect(text).not.toContain('reached');
    expect(log).toEqual([]);
  });

  /** The request as the endpoint gets it: its line, and its fields, joined where there are several of a name. */
  async function passed(request: string): Promise<{ line: string; fields: Record<string, string> }> {
    log = [];
    const raw = client(proxy.port).send(request);
    await raw.until((text) => text.endsWith('reached'));
    raw.socket.destroy();
    const { line, fields } = log[0]!;
    const joined: Record<string, string> = {};
    for (const [name, value] of fields) joined[name] = name in joined ? `${joined[name]}, ${value}` : value;
    return { line, fields: joined };
  }

  it.each([
    ['/a/../b', '/b'],
    ['/a/%2e%2E/b', '/b'],
    ['/../../etc', '/etc'],
    ['/%7Euser/%61?x=%61', '/~user/a?x=%61'],
    ['/a%2fb', '/a%2Fb'],
    ['/a\\b', '/a%5Cb'],
    ['//a//b', '//a//b'],
    ['http://www.example.com/x?y', '/x?y'],
    ['http://www.example.com', '/'],
  ])('the target %s is passed on as %s', async (target, expected) => {
    expect((await passed(`GET ${target} HTTP/1.1\r\n${HOST}\r\n`)).line).toBe(`GET ${expected} HTTP/1.1`);
  });

  it('an absolute target overrides Host', async () => {
    const { fields } = await passed(`GET http://other.example.com:81/ HTTP/1.1\r\n${HOST}\r\n`);
    expect(fields['host']).toBe('other.example.com:81');
  });

  it('fields of this hop, and those that Connection names, end here', async () => {
    const hop =
      'Connection: X-Secret, keep-alive\r\nX-Secret: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\n';
    const { fields } = await passed(`GET / HTTP/1.1\r\n${HOST}${hop}Upgrade: h2c\r\nX-Kept: 1\r\n\r\n`);
    expect(Object.keys(fields).sort()).toEqual([
      'forwarded',
      'host',
      'via',
      'x-forwarded-for',
      'x-forwarded-host',
      'x-forwarded-proto',
      'x-kept',
    ]);
  });

  it('of TE only trailers are passed on', async () => {
    const te = 'TE: gzip;q=0.5, trailers\r\nConnection: TE\r\n';
    expect((await passed(`GET / HTTP/1.1\r\n${HOST}${te}\r\n`)).fields).toMatchObject({
      te: 'trailers',
      connection: 'TE',
    });
    const other = 'TE: gzip\r\nConnection: TE\r\n';
    expect((await passed(`GET / HTTP/1.1\r\n${HOST}${other}\r\n`)).fields).not.toHaveProperty('te');
  });

  it('forwarding fields that anybody can write are replaced', async () => {
    const forged =
      'X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.test\r\nForwarded: for=6.6.6.6\r\n';
    expect((await passed(`GET / HTTP/1.1\r\n${HOST}${forged}\r\n`)).fields).toMatchObject({
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'http',
      'x-forwarded-host': 'www.example.com',
      forwarded: 'for=127.0.0.1;host=www.example.com;proto=http',
    });
  });

  it('up to two empty lines before a request are skipped', async () => {
    expect((await passed(`\r\n\r\nGET /x HTTP/1.1\r\n${HOST}\r\n`)).line).toBe('GET /x HTTP/1.1');
  });
});
