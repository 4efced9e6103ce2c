import { Head } from '../../src/core/http/head.js';
import { judgeRequest, type RequestFacts } from '../../src/core/http/hygiene.js';
import { type Forwarded, forwardRequests, forwardResponses } from './fuzz-http-forward.js';
import { below, fuzzedStream, generator } from './fuzz-http-messages.js';
import { hasLlhttp, readByLlhttp } from './fuzz-llhttp.js';
import { readMessages } from './strict-http.js';

/** A stream that broke a rule: seed and index make it again. */
export class HttpFuzzFailure extends Error {
  constructor(what: string, seed: number, index: number, stream: string, wire: Uint8Array) {
    const forwarded = JSON.stringify(Buffer.from(wire).toString('latin1').slice(0, 2_000));
    super(
      `${what}\nseed ${seed}, stream ${index}: ${JSON.stringify(stream.slice(0, 2_000))}\nforwarded: ${forwarded}`,
    );
    this.name = 'HttpFuzzFailure';
  }
}

/** No stream takes this long; a pause of the machine may: then it is tried again, and CPU time counts. */
const SLOW_MS = 2_000;
/**
 * An endpoint that refuses is no danger: llhttp knows a fixed list of methods, reads the grammar of chunk extensions,
 * which here may be any text without control characters, and takes no tab behind a length, though RFC 9110 §5.5 does.
 */
const LLHTTP_MAY_REFUSE: ReadonlySet<string> = new Set([
  'HPE_INVALID_METHOD',
  'HPE_STRICT',
  'HPE_INVALID_CONTENT_LENGTH',
]);
const REQUESTS = {
  GET: factsOf('GET / HTTP/1.1\r\nHost: a\r\n\r\n'),
  HEAD: factsOf('HEAD / HTTP/1.1\r\nHost: a\r\n\r\n'),
  upgrade: factsOf('GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n'),
};

/**
 * Puts streams with mistakes through the codec as the proxy does, whole and in pieces, and lets two other parsers read
 * what would be forwarded: all three must find the same messages, or bodies and requests could be smuggled.
 */
export class HttpFuzz {
  readonly seed: number;
  /** Messages forwarded whole, and refusals by their code. */
  forwarded = 0;
  readonly refusals: Map<string, number> = new Map();

  constructor(seed: number) {
    this.seed = seed;
  }

  run(from: number, to: number): void {
    for (let index = from; index < to; index++) this.#one(index);
  }

  #one(index: number): void {
    const random = generator(Math.imul(this.seed, 0x9e3779b1) ^ index);
    const kind = index % 3 === 2 ? 'response' : 'request';
    const stream = fuzzedStream(random, kind);
    const bytes = Buffer.from(stream, 'latin1');
    const asked = Array.from(
      { length: 3 },
      () => (['GET', 'GET', 'HEAD', 'upgrade'] as const)[below(4, random)]!,
    );
    const facts = asked.map((name) => REQUESTS[name]);
    const startMs = performance.now();
    const forward = (ends: readonly number[]): Forwarded =>
      kind === 'request' ? forwardRequests(bytes, ends) : forwardResponses(bytes, ends, facts);
    const whole = this.#catching(index, stream, () => forward([bytes.length]));
    const pieces = this.#catching(index, stream, () => forward(endsOf(bytes.length, random)));
    const fail = (what: string): never => {
      throw new HttpFuzzFailure(what, this.seed, index, stream, whole.wire);
    };
    if (performance.now() - startMs > SLOW_MS && cpuMsOf(() => forward([bytes.length])) > SLOW_MS)
      fail('too slow');
    if (pieces.whole.join('|') !== whole.whole.join('|') || pieces.refused !== whole.refused) {
      fail(
        `in pieces ${pieces.whole.join('|')} (${pieces.refused}), whole ${whole.whole.join('|')} (${whole.refused})`,
      );
    }
    const problem = disagreement(whole, kind, asked) ?? disagreement(pieces, kind, asked);
    if (problem !== null) fail(problem);
    this.forwarded += whole.whole.length;
    if (whole.refused !== null) this.refusals.set(whole.refused, (this.refusals.get(whole.refused) ?? 0) + 1);
  }

  #catching(index: number, stream: string, forward: () => Forwarded): Forwarded {
    try {
      return forward();
    } catch (error) {
      throw new HttpFuzzFailure(`exception: ${String(error)}`, this.seed, index, stream, new Uint8Array(0));
    }
  }
}

/** What another parser makes of the forwarded bytes otherwise, or null. */
export function disagreement(
  forwarded: Forwarded,
  kind: 'request' | 'response',
  asked: readonly string[],
): string | null {
  const { wire, whole, cut } = forwarded;
  const methods = Array.from({ length: whole.length + 1 }, (_, i) =>
    asked[i % asked.length] === 'HEAD' ? 'HEAD' : 'GET',
  );
  const strict = readMessages(wire, kind, methods);
  const mine = whole.join('|');
  if (strict.error !== null && !(cut && strict.messages.length >= whole.length))
    return `strict parser: ${strict.error}`;
  const nameOf = (line: string): string =>
    kind === 'request' ? line.slice(0, line.lastIndexOf(' ')) : line.slice(9, 12);
  const theirs = strict.messages.filter(({ complete }) => complete);
  const names = theirs.map(({ line }) => nameOf(line)).join('|');
  if (names !== mine) return `strict parser found ${names}, forwarded ${mine}`;
  const left = strict.messages.length - theirs.length;
  if (left !== (cut ? 1 : 0)) return `strict parser found ${left} cut messages, forwarded ${cut ? 1 : 0}`;
  if (!hasLlhttp) return null;
  const toHead = methods.map((method) => method === 'HEAD');
  const llhttp = readByLlhttp(wire, kind, toHead);
  if (llhttp.error !== null && !LLHTTP_MAY_REFUSE.has(llhttp.error)) return `llhttp: ${llhttp.error}`;
  for (const [i, { name, body }] of llhttp.messages.filter(({ complete }) => complete).entries()) {
    const other = theirs[i];
    if (other === undefined) return `llhttp found ${name} more`;
    if (name !== nameOf(other.line)) return `llhttp found ${name}, forwarded ${nameOf(other.line)}`;
    if (body !== other.body && !forwarded.switched) return `llhttp found another body of ${name}`;
  }
  const count = llhttp.messages.filter(({ complete }) => complete).length;
  if (llhttp.error === null && count !== theirs.length)
    return `llhttp found ${count} messages, forwarded ${theirs.length}`;
  return null;
}

function factsOf(text: string): RequestFacts {
  const bytes = Buffer.from(text, 'latin1');
  const head = new Head('request');
  head.parse(bytes, 0, bytes.length);
  const facts = judgeRequest(head);
  if (!facts.ok) throw new Error(facts.message);
  return facts;
}

function cpuMsOf(work: () => unknown): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

function endsOf(length: number, random: () => number): number[] {
  const cuts = Array.from({ length: 1 + below(6, random) }, () => below(length + 1, random));
  return [...new Set([...cuts, length])].sort((a, b) => a - b);
}
