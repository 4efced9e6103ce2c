import { describe, expect, it } from 'vitest';
import { Head } from '../../../src/core/http/head.js';
import { judgeRequest } from '../../../src/core/http/hygiene.js';
import { StaleCache } from '../../../src/proxy/stale-cache.js';

const MODEL = { forMs: 600_000, bytes: 20_000, bodyBytes: 4_000 };

function requestOf(path: string, lines: readonly string[] = [], method = 'GET') {
  const head = new Head('request');
  const bytes = Buffer.from(
    `${[`${method} ${path} HTTP/1.1`, 'Host: x.test', ...lines].join('\r\n')}\r\n\r\n`,
  );
  head.parse(bytes, 0, bytes.length);
  const facts = judgeRequest(head);
  if (!facts.ok) throw new Error(facts.message);
  return { facts, head: new Uint8Array(bytes), headLength: bytes.length };
}

function cacheOf(model = MODEL) {
  const cache = new StaleCache(model, model.bytes);
  const keep = (
    path: string,
    body: string,
    options: { lines?: readonly string[]; asked?: readonly string[]; status?: number; nowMs?: number } = {},
  ): boolean => {
    const { lines = ['Cache-Control: max-age=60'], asked = [], status = 200, nowMs = 0 } = options;
    const text = `HTTP/1.1 ${status} OK\r\n${lines.map((line) => `${line}\r\n`).join('')}Connection: close\r\n\r\n`;
    const bytes = Buffer.from(text);
    const head = new Head('response');
    head.parse(bytes, 0, bytes.length);
    const capture = cache.begin(requestOf(path, asked), head, nowMs, (out) => {
      out.set(bytes);
      return bytes.length;
    });
    for (let at = 0; at < body.length; at += 100) {
      const part = Buffer.from(body.slice(at, at + 100));
      capture?.add(part, 0, part.length);
    }
    capture?.done();
    return capture !== null;
  };
  const find = (
    path: string,
    nowMs = 1_000,
    lines: readonly string[] = [],
    method = 'GET',
  ): string | null => {
    const reply = cache.find(requestOf(path, lines, method), nowMs);
    if (reply === null) return null;
    return Buffer.from(reply.bytes({ close: false, toHead: method === 'HEAD' })).toString();
  };
  return { cache, keep, find };
}

describe('StaleCache', () => {
  it('gives a response again, with its age, and without what belonged to the connection', () => {
    const { keep, find } = cacheOf();
    keep('/a', 'hello', { lines: ['Cache-Control: max-age=60', 'ETag: "1"', 'Age: 5', 'Content-Length: 5'] });
    expect(find('/a', 10_000)).toBe(
      'HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nETag: "1"\r\nAge: 15\r\n' +
        'Cache-Status: meridian; hit; detail=stale-if-error\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello',
    );
    expect(find('/a', 10_000, [], 'HEAD')).toMatch(/Content-Length: 5[\s\S]*\r\n\r\n$/);
    expect(find('/a', 10_000, [], 'POST')).toBeNull();
    expect(find('/a?b', 10_000)).toBeNull();
    expect(find('/a', 10_000, ['Authorization: x'])).toBeNull();
  });

  it('forgets after the time of the configuration, or the shorter one of the response', () => {
    const { cache, keep, find } = cacheOf();
    keep('/long', 'x');
    keep('/short', 'x', { lines: ['Cache-Control: max-age=10, stale-if-error=20'] });
    keep('/never', 'x', { lines: ['Cache-Control: max-age=0, stale-if-error=0'] });
    keep('/longer', 'x', { lines: ['Cache-Control: stale-if-error=1000000000000'] });
    const found = (ms: number) =>
      ['/long', '/short', '/never', '/longer'].map((path) => find(path, ms) !== null);
    expect(found(30_000)).toEqual([true, true, false, true]);
    expect(found(31_000)).toEqual([true, false, false, true]);
    expect(found(600_000)).toEqual([true, false, false, true]);
    expect(found(601_000)).toEqual([false, false, false, false]);
    expect([cache.size, cache.bytes]).toEqual([0, 0]);
  });

  it('takes a newer response, but not more than one in a second', () => {
    const { keep, find } = cacheOf();
    expect(keep('/a', 'one')).toBe(true);
    expect(keep('/a', 'two', { nowMs: 999 })).toBe(false);
    expect(keep('/a', 'three', { nowMs: 1_000 })).toBe(true);
    expect(find('/a')).toContain('three');
  });

  it('keeps no failures, no large bodies, and nothing that is cut', () => {
    const { cache, keep } = cacheOf();
    keep('/a', 'x', { status: 404 });
    keep('/b', 'x'.repeat(4_001));
    keep(`/${'c'.repeat(3_000)}`, 'x');
    expect(cache.size).toBe(0);
    keep('/d', 'x'.repeat(4_000));
    expect(cache.size).toBe(1);
  });

  it('stays below its bytes: what was kept longest ago goes first', () => {
    const { cache, keep, find } = cacheOf();
    for (let i = 0; i < 100; i++) keep(`/${i}`, 'x'.repeat(1_000), { nowMs: i });
    expect(cache.bytes).toBeLessThanOrEqual(20_000);
    expect(cache.size).toBeGreaterThan(8);
    expect([find('/0'), find('/99') === null]).toEqual([null, false]);
  });

  it('gathers one response for a key, and few at one time, so that slow clients fill no memory', () => {
    const { cache, keep } = cacheOf();
    const head = new Head('response');
    const bytes = Buffer.from('HTTP/1.1 200 OK\r\nCache-Control: public\r\n\r\n');
    head.parse(bytes, 0, bytes.length);
    const write = (out: Uint8Array): number => {
      out.set(bytes);
      return bytes.length;
    };
    const begin = (path: string) => cache.begin(requestOf(path), head, 0, write);
    const captures = Array.from({ length: 100 }, (_, i) => begin(`/${i}`));
    expect(captures.filter((capture) => capture !== null)).toHaveLength(5);
    expect(begin('/0')).toBeNull();
    captures[0]!.drop();
    captures[0]!.done();
    expect(cache.size).toBe(0);
    expect(keep('/0', 'x')).toBe(true);
    for (const capture of captures.slice(1)) capture?.drop();
    expect(captures.map((_, i) => keep(`/${i}`, 'x')).filter(Boolean)).toHaveLength(99);
  });

  it('tells apart what routes made of one request', () => {
    const { cache, keep } = cacheOf();
    keep('/a', 'plain');
    const { facts } = requestOf('/a');
    const { head, headLength } = requestOf('/rewritten');
    expect(cache.find({ facts, head, headLength }, 1_000)).toBeNull();
    expect(cache.find(requestOf('/a', ['X-Forwarded-Proto: https']), 1_000)).toBeNull();
  });

  it('tells encodings apart where the response says so', () => {
    const { keep, find } = cacheOf();
    const lines = ['Cache-Control: max-age=60', 'Vary: Accept-Encoding'];
    keep('/a', 'packed', { lines, asked: ['Accept-Encoding: br'] });
    expect(find('/a', 1_000, ['Accept-Encoding: br'])).toContain('packed');
    expect(find('/a', 1_000)).toBeNull();
  });

  it('keeps nothing of a GET with a body, which could poison the answer to those without', () => {
    const { keep, find } = cacheOf();
    expect(keep('/a', 'evil', { asked: ['Content-Length: 1'] })).toBe(false);
    expect(keep('/a', 'evil', { asked: ['Transfer-Encoding: chunked'] })).toBe(false);
    expect(keep('/a', 'good', { asked: ['Content-Length: 0'] })).toBe(true);
    expect(find('/a', 1_000, ['Content-Length: 1'])).toBeNull();
    expect(find('/a', 1_000)).toContain('good');
  });

  it('slow readers of some responses do not keep others from being kept', () => {
    const model = { forMs: 600_000, bytes: 8_000, bodyBytes: 4_000 };
    const { cache, keep, find } = cacheOf(model);
    const slow = ['/a', '/b'].map((path) => beginSlowly(cache, path));
    expect(keep('/c', 'new', { nowMs: 1_000 })).toBe(false);
    expect(keep('/c', 'new', { nowMs: 31_000 })).toBe(true);
    expect(keep('/a', 'fresh', { nowMs: 31_000 })).toBe(true);
    for (const capture of slow) {
      capture.add(Buffer.from('old'), 0, 3);
      capture.done();
    }
    expect(find('/a', 32_000)).toContain('fresh');
  });
});

/** A response whose client takes its time. */
function beginSlowly(cache: StaleCache, path: string) {
  const bytes = Buffer.from('HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nConnection: close\r\n\r\n');
  const head = new Head('response');
  head.parse(bytes, 0, bytes.length);
  const capture = cache.begin(requestOf(path), head, 0, (out) => {
    out.set(bytes);
    return bytes.length;
  });
  if (capture === null) throw new Error('nothing is kept');
  return capture;
}
