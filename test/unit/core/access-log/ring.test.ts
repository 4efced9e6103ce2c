import { describe, expect, it } from 'vitest';
import type { AccessEntry } from '../../../../src/core/access-log/entry.js';
import { accessLine } from '../../../../src/core/access-log/line.js';
import { AccessRing, accessRingBytes } from '../../../../src/core/access-log/ring.js';
import { AccessSampler } from '../../../../src/core/access-log/sampler.js';

const ENTRY: AccessEntry = {
  timeMs: Date.UTC(2026, 0, 31, 12, 0, 0, 250),
  client: '192.0.2.7',
  listener: '127.0.0.1:8080',
  protocol: 'HTTP/2',
  tls: true,
  method: 'GET',
  host: 'www.example.com',
  path: '/a/b',
  status: 503,
  bytesIn: 0,
  bytesOut: 2 ** 40,
  durationMs: 12.3456,
  upstreamMs: -1,
  pool: 'web',
  endpoint: '10.0.0.1:9000',
  retries: 2,
  reason: 'no_endpoint',
};

function rig() {
  const memory = new SharedArrayBuffer(accessRingBytes());
  return { worker: new AccessRing(memory), main: new AccessRing(memory) };
}

function lineOf(change: Partial<AccessEntry>, client: 'address' | 'prefix' | 'none' = 'address'): string {
  const { worker, main } = rig();
  worker.add({ ...ENTRY, ...change });
  return accessLine(main.take(1)[0]!, { worker: 3, client });
}

describe('AccessRing', () => {
  it('brings entries over, in order', () => {
    const { worker, main } = rig();
    worker.add(ENTRY);
    worker.add({ ...ENTRY, ...{ tls: false, upstreamMs: 0.5, method: '', host: '', reason: 'none' } });
    expect(main.take(10)).toEqual([
      { ...ENTRY, cut: [] },
      { ...ENTRY, ...{ tls: false, upstreamMs: 0.5, method: '', host: '', reason: 'none', cut: [] } },
    ]);
    expect(main.take(10)).toEqual([]);
  });

  it('holds the longest texts side by side, and says what it cut', () => {
    const { worker, main } = rig();
    const long = Object.fromEntries(
      (['client', 'listener', 'method', 'pool', 'endpoint', 'host', 'path'] as const).map((name) => [
        name,
        `${name}${'x'.repeat(5000)}`,
      ]),
    );
    for (let i = 0; i < 3; i++) worker.add({ ...ENTRY, ...long });
    worker.add(ENTRY);
    const records = main.take(10);
    for (const record of records.slice(0, 3)) {
      expect(record.cut).toEqual(['client', 'listener', 'method', 'pool', 'endpoint', 'host', 'path']);
      for (const name of Object.keys(long) as (keyof typeof long)[]) {
        expect(record[name as 'path']).toMatch(new RegExp(`^${name}x+$`));
      }
      expect(record.path).toHaveLength(256);
      expect(record.status).toBe(503);
    }
    expect(records[3]).toEqual({ ...ENTRY, cut: [] });
  });

  it('loses and counts what finds no place, and goes on afterwards', () => {
    const { worker, main } = rig();
    for (let i = 0; i < 3000; i++) worker.add({ ...ENTRY, retries: i });
    expect(main.lost).toBe(952);
    expect(main.take(5000).map(({ retries }) => retries)).toEqual(Array.from({ length: 2048 }, (_, i) => i));
    worker.add({ ...ENTRY, retries: 7777 });
    expect(main.take(5).map(({ retries }) => retries)).toEqual([7777]);
  });
});

describe('accessLine()', () => {
  it('is JSON with all that is known', () => {
    expect(JSON.parse(lineOf({}))).toEqual({
      time: '2026-01-31T12:00:00.250Z',
      worker: 3,
      client: '192.0.2.7',
      listener: '127.0.0.1:8080',
      protocol: 'HTTP/2',
      tls: true,
      method: 'GET',
      host: 'www.example.com',
      path: '/a/b',
      status: 503,
      bytes_in: 0,
      bytes_out: 2 ** 40,
      duration_ms: 12.346,
      pool: 'web',
      endpoint: '10.0.0.1:9000',
      retries: 2,
      reason: 'no_endpoint',
    });
  });

  it.each([
    ['/a\r\n{"status":200}', '/a\\x0d\\x0a{"status":200}'],
    ['/\u001b[31m', '/\\x1b[31m'],
    ['/\u0000\u007f\u0085\u00ff', '/\\x00\\x7f\\x85\\xff'],
    ['/\\x0a', '/\\x5cx0a'],
    ['/"<script>', '/"<script>'],
    ['/~ ', '/~ '],
  ])('escapes %j', (path, expected) => {
    const line = lineOf({ path });
    expect(JSON.parse(line).path).toBe(expected);
    expect(line).toMatch(/^[ -~]+$/);
  });

  it.each([
    ['address', '192.0.2.7', '192.0.2.7'],
    ['prefix', '192.0.2.7', '192.0.2.0/24'],
    ['prefix', '2001:db8:1:2ff::1', '2001:db8:1:200::/56'],
    ['prefix', 'unknown', undefined],
    ['none', '192.0.2.7', undefined],
  ] as const)('with client: %s says of %s %s', (client, address, expected) => {
    expect(JSON.parse(lineOf({ client: address }, client)).client).toBe(expected);
  });

  it('leaves out what is not there', () => {
    const bare = {
      ...{ tls: false, method: '', pool: '', endpoint: '', retries: 0, reason: 'none' as const },
    };
    expect(Object.keys(JSON.parse(lineOf(bare)))).toEqual([
      ...['time', 'worker', 'client', 'listener', 'protocol', 'status', 'bytes_in', 'bytes_out'],
      'duration_ms',
    ]);
    expect(JSON.parse(lineOf({ upstreamMs: 1.5 })).upstream_ms).toBe(1.5);
    expect(JSON.parse(lineOf({ path: `/${'x'.repeat(300)}` })).cut).toEqual(['path']);
  });
});

describe('AccessSampler', () => {
  const count = (sampler: AccessSampler, requests: number, status = 200, nowMs = 0) =>
    Array.from({ length: requests }, () => sampler.takes(status, nowMs)).filter(Boolean).length;
  const many = { errors: false, maxPerSecond: 1e9 };

  it.each([0.001, 0.01, 0.1, 0.5, 1])('takes a part of %d', (sample) => {
    const taken = count(new AccessSampler({ ...many, sample }, 7), 200_000);
    expect(taken / 200_000 / sample).toBeGreaterThan(0.8);
    expect(taken / 200_000 / sample).toBeLessThan(1.2);
  });

  it.each([
    [200, 0],
    [404, 0],
    [500, 5],
    [0, 5],
  ])('takes of status %d, with errors only, %d of 5', (status, expected) => {
    expect(count(new AccessSampler({ sample: 0, errors: true, maxPerSecond: 100 }, 1), 5, status)).toBe(
      expected,
    );
  });

  it('takes no more than it may in a second', () => {
    const sampler = new AccessSampler({ sample: 1, errors: true, maxPerSecond: 3 }, 1);
    expect(count(sampler, 10, 200, 0)).toBe(3);
    expect(count(sampler, 10, 500, 999)).toBe(0);
    expect(count(sampler, 10, 200, 1000)).toBe(3);
  });
});
