/**
 * A second reader of HTTP/1.1, for tests: as strict as RFC 9112 allows, written apart from src and in another way
 * (text and patterns on the whole stream), so that the two do not share mistakes.
 */

export interface StrictMessage {
  /** The request or status line. */
  readonly line: string;
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly start: number;
  /** Behind the head. */
  readonly bodyStart: number;
  /** Behind the last byte that there is of the message. */
  readonly end: number;
  /** Payload: chunks joined, framing left out. One character is one byte. */
  readonly body: string;
  readonly complete: boolean;
}

export interface StrictResult {
  /** The last one may be incomplete. A head that is not complete is no message yet. */
  readonly messages: readonly StrictMessage[];
  /** What is wrong, and reading ended there; null if nothing is. */
  readonly error: string | null;
}

const REQUEST_LINE = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32} [!-~]+ HTTP\/1\.1$/;
const STATUS_LINE = /^HTTP\/1\.1 [1-5]\d\d [\t -~\x80-\xff]*$/;
const FIELD = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[\t ]*([\t -~\x80-\xff]*?)[\t ]*$/;

/**
 * Reads all messages of one connection. `methods` are those of the requests that responses belong to: a response to
 * HEAD has no body. Interim responses (1xx) are messages of their own.
 */
export function readMessages(
  bytes: Uint8Array,
  kind: 'request' | 'response',
  methods: readonly string[] = [],
): StrictResult {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  const messages: StrictMessage[] = [];
  let at = 0;
  let answered = 0;
  while (at < text.length) {
    const headEnd = text.indexOf('\r\n\r\n', at);
    if (headEnd < 0) return { messages, error: null };
    const head = readHead(text.slice(at, headEnd), kind);
    if (typeof head === 'string') return { messages, error: head };
    const toHead = kind === 'response' && methods[answered] === 'HEAD';
    const body = readBody(text, headEnd + 4, { ...head, kind, toHead });
    if (typeof body === 'string') return { messages, error: body };
    messages.push({ ...head, start: at, bodyStart: headEnd + 4, ...body });
    if (!body.complete) return { messages, error: null };
    if (!/^HTTP\/1\.1 1/.test(head.line)) answered++;
    at = body.end;
    if (switches(head, kind)) break;
  }
  return { messages, error: null };
}

/** What follows a switch of protocols is not HTTP any more. */
function switches(
  { line, fields }: Pick<StrictMessage, 'line' | 'fields'>,
  kind: 'request' | 'response',
): boolean {
  return kind === 'request' ? valuesOf(fields, 'upgrade').length > 0 : line.startsWith('HTTP/1.1 101');
}

function readHead(
  text: string,
  kind: 'request' | 'response',
): Pick<StrictMessage, 'line' | 'fields'> | string {
  const [line = '', ...rest] = text.split('\r\n');
  if (!(kind === 'request' ? REQUEST_LINE : STATUS_LINE).test(line))
    return `first line ${JSON.stringify(line)}`;
  const fields: [string, string][] = [];
  for (const one of rest) {
    const match = FIELD.exec(one);
    if (match === null) return `field line ${JSON.stringify(one)}`;
    fields.push([match[1]!.toLowerCase(), match[2]!]);
  }
  const hosts = valuesOf(fields, 'host');
  if (kind === 'request' && (hosts.length !== 1 || !/^[A-Za-z0-9._:[\]-]+$/.test(hosts[0]!))) {
    return `Host ${JSON.stringify(hosts)}`;
  }
  return { line, fields };
}

type Body = Pick<StrictMessage, 'end' | 'body' | 'complete'>;

function readBody(
  text: string,
  at: number,
  { line, fields, kind, toHead }: Pick<StrictMessage, 'line' | 'fields'> & { kind: string; toHead: boolean },
): Body | string {
  const lengths = valuesOf(fields, 'content-length');
  const codings = valuesOf(fields, 'transfer-encoding');
  if (lengths.length + codings.length > 1) return `${lengths.length} lengths, ${codings.length} codings`;
  if (lengths.length === 1 && !/^\d{1,15}$/.test(lengths[0]!)) return `length ${lengths[0]}`;
  if (codings.length === 1 && codings[0]!.toLowerCase() !== 'chunked') return `coding ${codings[0]}`;
  const none = { end: at, body: '', complete: true };
  if (kind === 'response' && (toHead || /^HTTP\/1\.1 (1\d\d|204|304) /.test(line))) return none;
  if (codings.length === 1) return readChunks(text, at);
  if (lengths.length === 1) {
    const length = Number(lengths[0]);
    const body = text.slice(at, at + length);
    return { end: at + body.length, body, complete: body.length === length };
  }
  if (kind === 'request') return none;
  // Until the connection ends; whether it ended well is not in the bytes.
  return { end: text.length, body: text.slice(at), complete: true };
}

function readChunks(text: string, from: number): Body | string {
  let at = from;
  let body = '';
  for (;;) {
    const lineEnd = text.indexOf('\r\n', at);
    if (lineEnd < 0) return { end: text.length, body, complete: false };
    const match = /^([0-9A-Fa-f]{1,12})(?:;[\t -~\x80-\xff]*)?$/.exec(text.slice(at, lineEnd));
    if (match === null) return `chunk size ${JSON.stringify(text.slice(at, lineEnd))}`;
    const size = Number.parseInt(match[1]!, 16);
    at = lineEnd + 2;
    if (size === 0) return readTrailers(text, at, body);
    const data = text.slice(at, at + size);
    body += data;
    at += data.length;
    if (text.length < at + 2) return { end: text.length, body, complete: false };
    if (text.slice(at, at + 2) !== '\r\n') return 'a chunk without its end';
    at += 2;
  }
}

const FRAMING = /^(host|content-length|transfer-encoding|connection|upgrade|te|trailer)$/i;

function readTrailers(text: string, from: number, body: string): Body | string {
  for (let at = from; ; ) {
    const lineEnd = text.indexOf('\r\n', at);
    if (lineEnd < 0) return { end: text.length, body, complete: false };
    const line = text.slice(at, lineEnd);
    at = lineEnd + 2;
    if (line === '') return { end: at, body, complete: true };
    const name = FIELD.exec(line)?.[1];
    if (name === undefined || FRAMING.test(name)) return `trailer ${JSON.stringify(line)}`;
  }
}

export function valuesOf(fields: StrictMessage['fields'], name: string): string[] {
  return fields.filter(([other]) => other === name).map(([, value]) => value);
}
