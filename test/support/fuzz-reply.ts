/**
 * What holds for every reply, whatever was asked. A decoder of its own, which shares nothing with the server and
 * makes no objects: it reads hundreds of thousands of replies in a second.
 */

const HEADER = 12;
const OPT = 41;

/** Says what is wrong with the reply `from..from + length` of `bytes` to `query`; undefined: nothing. */
export function replyProblem(
  query: Uint8Array,
  queryLength: number,
  bytes: Uint8Array,
  from: number,
  length: number,
  stream: boolean,
): string | undefined {
  const mustAnswer = queryLength >= HEADER && (query[2]! & 0x80) === 0;
  if (!mustAnswer) return length === 0 ? undefined : 'a reply to a response or to less than a header';
  if (length === 0) return 'no reply';
  if (length < HEADER) return 'a reply shorter than a header';
  return (
    headerProblem(query, bytes, from, stream) ?? bodyProblem(query, queryLength, bytes, from, length, stream)
  );
}

function headerProblem(
  query: Uint8Array,
  bytes: Uint8Array,
  from: number,
  stream: boolean,
): string | undefined {
  if (bytes[from] !== query[0] || bytes[from + 1] !== query[1]) return 'another ID';
  const high = bytes[from + 2]!;
  const low = bytes[from + 3]!;
  if ((high & 0x80) === 0) return 'QR is not set';
  if ((high & 0x79) !== (query[2]! & 0x79)) return 'another opcode or RD';
  if (low & 0xe0) return 'RA, Z or AD is set';
  if (stream && high & 0x02) return 'TC on a stream';
  if ((low & 0x0f) === 2) return 'SERVFAIL';
  return undefined;
}

function bodyProblem(
  query: Uint8Array,
  queryLength: number,
  bytes: Uint8Array,
  from: number,
  length: number,
  stream: boolean,
): string | undefined {
  const questions = word(bytes, from + 4);
  if (questions > 1) return 'more than one question';
  let at = HEADER;
  if (questions === 1) {
    at = questionEnd(query, queryLength);
    if (at < 0 || at > length) return 'a question that was not asked';
    for (let i = HEADER; i < at; i++) if (bytes[from + i] !== query[i]) return 'another question';
  }
  const rcode = bytes[from + 3]! & 0x0f;
  const answers = word(bytes, from + 6);
  const authorities = word(bytes, from + 8);
  // YXDOMAIN may come behind a DNAME that was followed.
  if (![0, 3, 6].includes(rcode) && answers + authorities > 0) return 'records in an error';
  const records = answers + authorities + word(bytes, from + 10);
  let opts = 0;
  for (let i = 0; i < records; i++) {
    const owner = at;
    at = nameEnd(bytes, from, at, length);
    if (at < 0 || at + 10 > length) return `record ${i} is cut or has a bad name`;
    if (word(bytes, from + at) === OPT) {
      opts++;
      if (bytes[from + owner] !== 0 || i < answers + authorities) return 'OPT out of place';
      if (bytes[from + at + 5] !== 0) return 'OPT of another version than 0';
      if (word(bytes, from + at + 6) & 0x7fff) return 'unknown flags in OPT';
    }
    at += 10 + word(bytes, from + at + 8);
    if (at > length) return `record ${i} is longer than the reply`;
  }
  if (at !== length) return 'bytes behind the last record';
  if (opts > 1) return 'two OPTs';
  if (stream) return undefined;
  const payload = payloadOf(query, queryLength);
  if (opts === 1 && payload < 0) return 'OPT without OPT in the query';
  const limit = opts === 0 ? 512 : Math.min(Math.max(payload, 512), 1232);
  return length > limit ? `${length} bytes, ${limit} allowed` : undefined;
}

/** Where the question of a query ends, or -1. */
function questionEnd(query: Uint8Array, length: number): number {
  let at = HEADER;
  while (at < length && query[at] !== 0) {
    if (query[at]! > 63) return -1;
    at += 1 + query[at]!;
  }
  return at + 5 <= length && at + 1 - HEADER <= 255 ? at + 5 : -1;
}

/** The largest payload size of any OPT in the query (two are an error, answered with the size of either), or -1. */
function payloadOf(query: Uint8Array, length: number): number {
  // Without a question (RFC 7873 §5.4) the additional records come at once.
  let at = word(query, 4) === 0 ? HEADER : questionEnd(query, length);
  let payload = -1;
  for (let i = word(query, 10); i > 0 && at >= 0; i--) {
    while (at < length && query[at] !== 0 && query[at]! < 0xc0) at += 1 + query[at]!;
    at += at < length && query[at] !== 0 ? 2 : 1;
    if (at + 10 > length) break;
    if (word(query, at) === OPT) payload = Math.max(payload, word(query, at + 2));
    at += 10 + word(query, at + 8);
  }
  return payload;
}

/** Offset in the message behind the name at `start`, or -1: pointers must lead back, names end within 255 bytes. */
function nameEnd(bytes: Uint8Array, from: number, start: number, length: number): number {
  let at = start;
  let end = -1;
  let size = 0;
  let barrier = start;
  for (;;) {
    if (at >= length) return -1;
    const label = bytes[from + at]!;
    if (label >= 0xc0) {
      const target = word(bytes, from + at) & 0x3fff;
      if (at + 2 > length || target >= barrier || target < HEADER) return -1;
      if (end < 0) end = at + 2;
      barrier = target;
      at = target;
      continue;
    }
    size += 1 + label;
    if (label > 63 || size > 255) return -1;
    at += 1 + label;
    if (label === 0) return end < 0 ? at : end;
  }
}

function word(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}
