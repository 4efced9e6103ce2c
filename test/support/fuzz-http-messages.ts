/** Streams of HTTP/1.1 messages with mistakes in them: seed and index make the same one again. */

const HOST = 'Host: www.example.com\r\n';

const REQUESTS: readonly string[] = [
  `GET / HTTP/1.1\r\n${HOST}\r\n`,
  `GET /a/../b?q=1 HTTP/1.1\r\n${HOST}Accept: */*\r\nCookie: a=b; c=d\r\n\r\n`,
  `POST /form HTTP/1.1\r\n${HOST}Content-Length: 11\r\n\r\nhello=world`,
  `PUT /chunks HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x="y"\r\n world\r\n0\r\n\r\n`,
  `POST /t HTTP/1.1\r\n${HOST}TE: trailers\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n`,
  `HEAD /h HTTP/1.1\r\n${HOST}Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\n\r\n`,
  `DELETE http://other.example.com:81/x HTTP/1.1\r\n${HOST}Content-Length: 0\r\n\r\n`,
  `OPTIONS * HTTP/1.1\r\n${HOST}X-Forwarded-For: 192.0.2.1\r\n\r\n`,
  `CONNECT www.example.com:443 HTTP/1.1\r\n${HOST}\r\n`,
  `GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n`,
  `GET /ws HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
  `POST /inner HTTP/1.1\r\n${HOST}Content-Length: 42\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: evil.test\r\n\r\n`,
];

const RESPONSES: readonly string[] = [
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;x\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n',
  'HTTP/1.1 204 No Content\r\n\r\n',
  'HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\nETag: "x"\r\n\r\n',
  'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n',
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nframes',
  'HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nold',
  'HTTP/1.1 200 OK\r\n\r\nuntil the end',
  'HTTP/1.1 200 OK\r\nContent-Length: 38\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
];

/** Lines by which parsers were made to disagree. */
const EVIL: readonly string[] = [
  ...[
    'chunked',
    'identity',
    'xchunked',
    'chunked, identity',
    'identity, chunked',
    ' chunked',
    '\tchunked',
    'Chunked',
    'chunked\t',
    '"chunked"',
  ].map((value) => `Transfer-Encoding:${value}`),
  ...[
    'chunked;',
    'chunked, chunked',
    ',chunked',
    'chunked,',
    '',
    '\x0bchunked',
    'chunk\0ed',
    'gzip, chunked',
  ].map((value) => `Transfer-Encoding: ${value}`),
  ...[
    '0',
    '5',
    '6',
    '+5',
    '-5',
    '0x5',
    '5,5',
    '5, 6',
    '05',
    '5 ',
    ' 5',
    '5e0',
    '1_1',
    '',
    '99999999999999999999',
    '5;x',
    '5\t',
    '\t5',
  ].map((value) => `Content-Length: ${value}`),
  'Transfer-Encoding : chunked',
  'Transfer-Encoding\t: chunked',
  ' Transfer-Encoding: chunked',
  'Transfer_Encoding: chunked',
  'Transfer-Encoding',
  'X: y\rTransfer-Encoding: chunked',
  'X: y\nTransfer-Encoding: chunked',
  'X: y\n\nGET /smuggled HTTP/1.1',
  '\x00Transfer-Encoding: chunked',
  'Content-Length : 5',
  'content-length: 7',
  'Host: evil.test',
  'Host: a, b',
  'Host:',
  'Host: www.example.com:99999',
  'Connection: close',
  'Connection: Content-Length',
  'Connection: Transfer-Encoding, keep-alive',
  'Connection: upgrade, http2-settings',
  'Upgrade: h2c',
  'Upgrade: websocket',
  'Expect: 100-continue',
  'Trailer: Content-Length',
  'X-Folded: a\r\n b',
  `X-Long: ${'x'.repeat(40_000)}`,
  Array.from({ length: 110 }, (_, i) => `X-${i}: ${i}`).join('\r\n'),
];

const BYTES = '\0\t\n\r\x0b\x1f ",:;=0159aAfx{}#%/?\\\x7f\x80\xa0\xff';

/** A generator of numbers in [0, 1) (mulberry32). */
export function generator(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** The stream of `index`: one to four messages, four in five of the streams with mistakes. One character is one byte. */
export function fuzzedStream(random: () => number, kind: 'request' | 'response'): string {
  const templates = kind === 'request' ? REQUESTS : RESPONSES;
  let text = '';
  for (let left = 1 + below(4, random); left > 0; left--) text += templates[below(templates.length, random)]!;
  if (random() < 0.2) return text;
  for (let left = 1 + below(4, random); left > 0; left--) text = mutate(text, random);
  return text;
}

function mutate(text: string, random: () => number): string {
  const at = below(text.length, random);
  const replace = (from: number, to: number, by: string): string => text.slice(0, from) + by + text.slice(to);
  const byte = BYTES[below(BYTES.length, random)]!;
  const lineStart = text.lastIndexOf('\n', at - 1) + 1;
  const lineEnd = text.indexOf('\n', at) + 1 || text.length + 1;
  const line = text.slice(lineStart, lineEnd);
  switch (below(10, random)) {
    case 0:
      return replace(at, at + 1, byte);
    case 1:
      return replace(at, at, byte);
    case 2:
      return replace(at, at + 1 + below(4, random), '');
    case 3:
      return replace(lineStart, lineStart, line);
    case 4:
      return replace(lineStart, lineEnd, '');
    case 5: {
      const cr = text.indexOf('\r\n', at);
      return cr < 0
        ? text
        : replace(cr, cr + 2, ['\n', '\r', '\r\r\n', '\n\r', '\r\n\r\n'][below(5, random)]!);
    }
    case 6:
      return text.slice(0, at);
    default:
      return replace(lineStart, lineStart, `${EVIL[below(EVIL.length, random)]}\r\n`);
  }
}

export function below(limit: number, random: () => number): number {
  return Math.floor(random() * limit);
}
