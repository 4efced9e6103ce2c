import { describe, expect, it } from 'vitest';
import type { Head } from '../../../../src/core/http/head.js';
import type { RequestFacts } from '../../../../src/core/http/hygiene.js';
import type { ForwardContext } from '../../../../src/core/http/rewrite.js';
import { streamContext } from '../../../../src/proxy/h2/context.js';
import type { Upstreams } from '../../../../src/proxy/h2/upstreams.js';
import type { HttpContext } from '../../../../src/proxy/l7/context.js';

const SHED = { status: 503, reason: 'shed', bytes: () => new Uint8Array(0) };
const FIXED = { status: 200, bytes: () => new Uint8Array(0) };

/** What a stream gets of a listener that sheds everything, by where its route leads. */
function answerOf(target: object): unknown {
  const context = {
    ...{ guard: null, network: { scratch: new Uint8Array(0) } },
    router: { find: () => ({ guard: null, forward: null, redirect: null, reply: null, ...target }) },
    admission: { check: () => SHED },
  } as unknown as HttpContext;
  const streams = streamContext(context, {} as Upstreams, () => {});
  const forward = { proto: 'http', clientAddress: '192.0.2.1', trusted: false } as unknown as ForwardContext;
  return streams.route({} as Head, {} as RequestFacts, forward);
}

describe('streamContext()', () => {
  it('sheds streams as requests of HTTP/1.1: those that go to a pool', () => {
    expect(answerOf({ forward: { split: null } })).toBe(SHED);
    expect(answerOf({ reply: FIXED })).toBe(FIXED);
  });
});
