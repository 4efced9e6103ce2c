import { ForwardedTails } from '../../src/core/http/forwarded-tail.js';
import { BodyDecoder } from '../../src/core/http/framing.js';
import { Head } from '../../src/core/http/head.js';
import { judgeRequest, judgeResponse, type RequestFacts } from '../../src/core/http/hygiene.js';
import { writeRequestHead, writeResponseHead } from '../../src/core/http/rewrite.js';

/** What the codec makes of a stream, as the proxy uses it. */
export interface Forwarded {
  /** What the next hop gets, one message after another. */
  readonly wire: Uint8Array;
  /** First words of the messages that were forwarded whole: `GET /a` or `200`. */
  readonly whole: readonly string[];
  /** One more was forwarded in part. */
  readonly cut: boolean;
  /** Why reading ended, or null if bytes are missing or the connection ends by itself. */
  readonly refused: string | null;
  /** The last message switches protocols: what follows it is not HTTP. */
  readonly switched: boolean;
}

const OUT = new Uint8Array(256 * 1024);
const VIA = {
  clientAddress: '192.0.2.7',
  proto: 'http',
  trusted: false,
  via: 'meridian',
  tails: new ForwardedTails('http', 'meridian'),
} as const;

/** Requests of one connection that arrive in pieces, which end at `ends` (increasing; the last is the length). */
export function forwardRequests(bytes: Uint8Array, ends: readonly number[]): Forwarded {
  const sink = new Sink();
  const head = new Head('request');
  follow(bytes, ends, sink, (end, at) => {
    if (head.parse(bytes, at, end) === 0) return 0;
    if (head.error !== null) return sink.refuse(head.error);
    const facts = judgeRequest(head);
    if (!facts.ok) return sink.refuse(facts.code);
    const length = head.nameStart[head.count]! + 2;
    sink.add(OUT, 0, writeRequestHead(OUT, head, facts, VIA, 'default.test'));
    sink.begin(`${facts.method} ${facts.target.forwarded}`);
    sink.last = !facts.keepAlive || facts.upgrade !== null;
    sink.switched = facts.upgrade !== null;
    sink.decoder.begin(facts.framing);
    head.reset();
    return length;
  });
  return sink.result();
}

/** Responses of one connection, to requests with these facts, in turn. */
export function forwardResponses(
  bytes: Uint8Array,
  ends: readonly number[],
  requests: readonly RequestFacts[],
): Forwarded {
  const sink = new Sink();
  const head = new Head('response');
  let answered = 0;
  follow(bytes, ends, sink, (end, at) => {
    if (head.parse(bytes, at, end) === 0) return 0;
    if (head.error !== null) return sink.refuse(head.error);
    const facts = judgeResponse(head, requests[answered % requests.length]!);
    if (!facts.ok) return sink.refuse(facts.code);
    const length = head.nameStart[head.count]! + 2;
    const { kind } = facts.framing;
    const close = kind === 'close';
    sink.add(OUT, 0, writeResponseHead(OUT, head, facts, { via: 'meridian', close, http10: false }));
    sink.begin(String(facts.status));
    sink.closes = close;
    sink.last = facts.status >= 200 && !facts.keepAlive;
    sink.switched = facts.status === 101;
    sink.last ||= sink.switched;
    if (facts.status >= 200) answered++;
    sink.decoder.begin(facts.framing);
    head.reset();
    return length;
  });
  return sink.result();
}

/** `readHead` gives the length of a head, 0 if it is not complete or was refused. */
function follow(
  bytes: Uint8Array,
  ends: readonly number[],
  sink: Sink,
  readHead: (end: number, at: number) => number,
): void {
  let at = 0;
  let inBody = false;
  for (const end of ends) {
    while (at < end && !sink.ended) {
      if (!inBody) {
        const length = readHead(end, at);
        if (length === 0) break;
        at += length;
        inBody = true;
      }
      const next = sink.decoder.feed(bytes, at, end);
      if (sink.decoder.error !== null) {
        sink.refuse(sink.decoder.error);
        return;
      }
      sink.add(bytes, at, next);
      at = next;
      if (!sink.decoder.done) break;
      sink.finish();
      inBody = false;
    }
    if (sink.refused !== null || sink.ended) return;
  }
  if (inBody && sink.closes) sink.finish();
}

class Sink {
  readonly decoder = new BodyDecoder();
  refused: string | null = null;
  last = false;
  closes = false;
  switched = false;
  ended = false;
  #open: string | null = null;
  readonly #whole: string[] = [];
  readonly #parts: Uint8Array[] = [];

  add(bytes: Uint8Array, start: number, end: number): void {
    if (end < start) throw new Error('a head did not fit');
    this.#parts.push(bytes.slice(start, end));
  }

  begin(name: string): void {
    this.#open = name;
  }

  finish(): void {
    if (this.#open !== null) this.#whole.push(this.#open);
    this.#open = null;
    this.ended = this.last;
  }

  refuse(code: string): 0 {
    this.refused = code;
    this.ended = true;
    return 0;
  }

  result(): Forwarded {
    const { refused, switched } = this;
    const wire = Buffer.concat(this.#parts);
    return { wire, whole: this.#whole, cut: this.#open !== null, refused, switched };
  }
}
