import { createServer } from 'node:net';
import { connect as connectTls } from 'node:tls';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  HELLO_MAX,
  HELLO_WIRE_MAX,
  RECORDS_MAX,
  readClientHello,
} from '../../../../src/core/tls/client-hello.js';
import { alpn, type HelloParts, helloMessage, records, serverName } from '../../../support/client-hello.js';

function read(bytes: Uint8Array) {
  return readClientHello(bytes, 0, bytes.length);
}

function readParts(parts: HelloParts) {
  return read(records(helloMessage(parts)));
}

const VERSIONS = [43, [6, 0x0a, 0x0a, 3, 4, 3, 3]] as const;
const EXTENSIONS = [serverName('WWW.Example.com'), alpn('h2', 'http/1.1'), VERSIONS] as const;

describe('readClientHello()', () => {
  it('tells name, protocols and versions', () => {
    expect(readParts({ extensions: EXTENSIONS })).toEqual({
      serverName: 'www.example.com',
      alpn: ['h2', 'http/1.1'],
      versions: [0x0304, 0x0303],
    });
  });

  it.each<[string, HelloParts]>([
    ['without a name', { extensions: [] }],
    ['without extensions at all', { extensions: null }],
    ['without a session', { session: 0, extensions: [[0xfe0d, [1, 2, 3]]] }],
  ])('reads one %s', (_, parts) => {
    expect(readParts(parts)).toEqual({ serverName: null, alpn: [], versions: [0x0303] });
  });

  it('finds the same in every split over records and packets', () => {
    const message = helloMessage({ extensions: EXTENSIONS });
    const whole = read(records(message));
    for (const size of [message.length, message.length - 1, 100, 33, 10]) {
      const bytes = records(message, size);
      for (let end = 0; end < bytes.length; end++) {
        expect(readClientHello(bytes, 0, end), `${size} ${end}`).toBeNull();
      }
      expect(read(bytes)).toEqual(whole);
      // Early data and the like may follow in records of their own.
      expect(read(Uint8Array.of(...bytes, 20, 3, 3, 0, 1, 1))).toEqual(whole);
      expect(readClientHello(Uint8Array.of(9, 9, ...bytes), 2, 2 + bytes.length)).toEqual(whole);
    }
  });

  it('reads heads of messages that are cut in their first bytes', () => {
    const message = helloMessage({ extensions: EXTENSIONS, session: 0 });
    const head = records(message.slice(0, 6), 1);
    const rest = records(message.slice(6));
    expect(read(Uint8Array.of(...head, ...rest))).toMatchObject({ serverName: 'www.example.com' });
  });

  it.each<[string, HelloParts]>([
    ['an SSL version', { version: 0x0200 }],
    ['a session of 33 bytes', { session: 33 }],
    ['no cipher suites', { suites: [] }],
    ['half a cipher suite', { suites: [1, 2, 3] }],
    ['no compression methods', { methods: [] }],
    ['bytes behind the extensions', { after: [0] }],
    ['an extension twice', { extensions: [serverName('a.test'), serverName('b.test')] }],
    [
      'an unknown extension twice',
      {
        extensions: [
          [999, []],
          [999, []],
        ],
      },
    ],
    ['an empty name', { extensions: [serverName('')] }],
    ['an empty list of names', { extensions: [[0, [0, 0]]] }],
    ['a name of another type', { extensions: [serverName('a.test', 1)] }],
    ['two names', { extensions: [[0, [0, 8, 0, 0, 1, 97, 0, 0, 1, 98]]] }],
    ['a dot at the end of a name', { extensions: [serverName('a.test.')] }],
    ['an empty label', { extensions: [serverName('a..test')] }],
    ['NUL in a name', { extensions: [serverName('a.test\0.evil.test')] }],
    ['a space in a name', { extensions: [serverName('a test')] }],
    ['a name of 254 bytes', { extensions: [serverName('a'.repeat(254))] }],
    ['a list of names longer than its extension', { extensions: [[0, [0, 9, 0, 0, 1, 97]]] }],
    ['a name longer than its list', { extensions: [[0, [0, 4, 0, 0, 9, 97]]] }],
    ['an empty list of protocols', { extensions: [[16, [0, 0]]] }],
    ['an empty protocol', { extensions: [alpn('')] }],
    ['a protocol longer than its list', { extensions: [[16, [0, 2, 9, 97]]] }],
    ['half a version', { extensions: [[43, [3, 3, 4, 3]]] }],
    ['no versions', { extensions: [[43, [0]]] }],
    ['129 extensions', { extensions: Array.from({ length: 129 }, (_, i) => [1000 + i, []] as const) }],
  ])('refuses %s', (_, parts) => {
    expect(readParts(parts)).toBe('malformed');
  });

  it.each<[string, Uint8Array, string]>([
    ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\n'), 'not_tls'],
    ['an SSH banner', Buffer.from('SSH-2.0-x\r\n'), 'not_tls'],
    ['a ClientHello of SSLv2', Uint8Array.of(0x80, 0x2e, 1, 3, 1), 'not_tls'],
    ['an alert', Uint8Array.of(21, 3, 3, 0, 2, 2, 80), 'not_tls'],
    ['a version nobody knows', Uint8Array.of(22, 4, 0, 0, 2, 1, 0), 'not_tls'],
    ['an empty record', Uint8Array.of(22, 3, 1, 0, 0), 'not_tls'],
    ['a record beyond 16 KiB', Uint8Array.of(22, 3, 1, 0x40, 1), 'not_tls'],
    ['a ServerHello', Uint8Array.of(22, 3, 1, 0, 9, 2), 'malformed'],
    ['a message beyond 16 KiB', Uint8Array.of(22, 3, 1, 0x40, 0, 1, 0, 0x40, 0), 'too_long'],
    ['another record in between', Uint8Array.of(22, 3, 1, 0, 2, 1, 0, 23, 3, 3, 0, 1, 1), 'malformed'],
  ])('refuses %s', (_, bytes, expected) => {
    expect(read(bytes)).toBe(expected);
  });

  it('refuses a second message in the same record, and 33 records', () => {
    const message = helloMessage();
    expect(read(records([...message, 1]))).toBe('malformed');
    expect(read(records(message, 1))).toBe('too_long');
    expect(read(records(message.slice(0, RECORDS_MAX), 1))).toBe('too_long');
  });

  it('decides within its limit of bytes, whatever comes', () => {
    const message = helloMessage({ extensions: [[21, Array<number>(HELLO_MAX).fill(0)]] });
    expect(read(records(message, 600).subarray(0, HELLO_WIRE_MAX))).toBe('too_long');
    const fits = helloMessage({ extensions: [[21, Array<number>(16_000).fill(0)]] });
    expect(read(records(fits, 600))).toMatchObject({ serverName: null });
  });

  it('never lets a cut decide otherwise than the whole', () => {
    const message = helloMessage({ extensions: EXTENSIONS });
    const change = fc.tuple(fc.nat(200), fc.nat(255));
    fc.assert(
      fc.property(fc.constantFrom(16_384, 60), fc.array(change, { maxLength: 4 }), (size, changes) => {
        const bytes = records(message, size);
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        const whole = read(bytes);
        for (let end = 0; end < bytes.length; end++) {
          const part = readClientHello(bytes, 0, end);
          if (part !== null) expect(part).toEqual(whole);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('the ClientHello of node:tls', () => {
  it.each([
    ['TLSv1.3', 'www.example.com', [0x0304, 0x0303]],
    ['TLSv1.2', 'a.b.example.org', [0x0303]],
  ] as const)('of %s for %s is understood', async (maxVersion, servername, versions) => {
    const bytes = await capture(servername, maxVersion);
    expect(read(bytes)).toEqual({ serverName: servername, alpn: ['h2', 'http/1.1'], versions });
  });
});

/** What a client sends first. */
async function capture(servername: string, maxVersion: 'TLSv1.2' | 'TLSv1.3'): Promise<Uint8Array> {
  const server = createServer();
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });
  const first = new Promise<Uint8Array>((resolve) => {
    server.on('connection', (socket) =>
      socket.once('data', (data) => {
        resolve(new Uint8Array(data));
        socket.destroy();
      }),
    );
  });
  const client = connectTls({
    ...{ host: '127.0.0.1', port, servername, maxVersion },
    ALPNProtocols: ['h2', 'http/1.1'],
  });
  client.on('error', () => {});
  const bytes = await first;
  server.close();
  return bytes;
}
