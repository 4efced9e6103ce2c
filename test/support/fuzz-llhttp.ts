/** Node's own parser of HTTP (llhttp, strict), as a third opinion. It is not public: absent where Node hides it. */

export interface LlhttpMessage {
  /** `GET /a` or `200`. */
  readonly name: string;
  /** One character is one byte. */
  readonly body: string;
  readonly complete: boolean;
}

export interface LlhttpResult {
  readonly messages: readonly LlhttpMessage[];
  /** Such as `HPE_INVALID_METHOD`, or null. */
  readonly error: string | null;
}

interface Parser {
  [event: number]: (...values: readonly unknown[]) => unknown;
  initialize(type: number, resource: object, maxHeaderSize: number, lenient: number): void;
  execute(bytes: Uint8Array): number | (Error & { readonly code?: string });
  finish(): undefined | Error;
}

interface Binding {
  readonly methods: readonly string[];
  readonly allMethods?: readonly string[];
  readonly HTTPParser: {
    new (): Parser;
    readonly REQUEST: number;
    readonly RESPONSE: number;
    readonly kOnHeaders: number;
    readonly kOnHeadersComplete: number;
    readonly kOnBody: number;
    readonly kOnMessageComplete: number;
    readonly kLenientNone?: number;
  };
}

const HEAD_BYTES_MAX = 256 * 1024;
const binding = load();
export const hasLlhttp: boolean = binding !== null;

/** Reads the messages of one connection; `toHead` says for each final response whether it answers a HEAD. */
export function readByLlhttp(
  bytes: Uint8Array,
  kind: 'request' | 'response',
  toHead: readonly boolean[] = [],
): LlhttpResult {
  const { HTTPParser, methods, allMethods } = binding!;
  const names = allMethods ?? methods;
  const messages: { name: string; body: string; complete: boolean }[] = [];
  const parser = new HTTPParser();
  parser.initialize(
    kind === 'request' ? HTTPParser.REQUEST : HTTPParser.RESPONSE,
    {},
    HEAD_BYTES_MAX,
    HTTPParser.kLenientNone ?? 0,
  );
  let url = '';
  let answered = 0;
  parser[HTTPParser.kOnHeaders] = (_, part) => {
    url += String(part ?? '');
  };
  parser[HTTPParser.kOnHeadersComplete] = (_major, _minor, _fields, method, target, status) => {
    const name = kind === 'request' ? `${names[Number(method)]} ${String(target ?? url)}` : String(status);
    messages.push({ name, body: '', complete: false });
    url = '';
    if (kind === 'request' || Number(status) < 200) return 0;
    // 1: there is no body, whatever the head says.
    return toHead[answered++] === true ? 1 : 0;
  };
  parser[HTTPParser.kOnBody] = (part) => {
    messages.at(-1)!.body += Buffer.from(part as Uint8Array).toString('latin1');
  };
  parser[HTTPParser.kOnMessageComplete] = () => {
    messages.at(-1)!.complete = true;
    // Trailers came through kOnHeaders too.
    url = '';
  };
  const result = parser.execute(Buffer.from(bytes));
  if (result instanceof Error) return { messages, error: result.code ?? result.message };
  // The end of the connection completes a response without length.
  if (kind === 'response' && messages.at(-1)?.complete === false) parser.finish();
  return { messages, error: null };
}

function load(): Binding | null {
  const { emitWarning } = process;
  try {
    // Asking for it is deprecated, and said on the console otherwise.
    process.emitWarning = () => {};
    const from = process as unknown as { binding?(name: string): unknown };
    const found = from.binding?.('http_parser') as Binding | undefined;
    return found?.HTTPParser === undefined ? null : found;
  } catch {
    return null;
  } finally {
    process.emitWarning = emitWarning;
  }
}
