import { describe, expect, it } from 'vitest';
import type { Report, ServiceReport } from '../../../src/core/health/report.js';
import type { ReportFetch } from '../../../src/report/delivery.js';
import { Reporter } from '../../../src/report/reporter.js';

const RECEIVER = { url: 'http://dns-1:8300', readToken: null };

/** Timers that the test moves, and a fetch whose answers the test gives. */
class World {
  nowMs = 1_000_000;
  services: ServiceReport[] = [{ service: 'web', endpoints: 2, healthy: 2 }];
  readonly posts: {
    url: string;
    report: Report;
    token: string | undefined;
    answer: (status: number, body?: object) => Promise<void>;
    fail: (error: Error) => Promise<void>;
  }[] = [];
  readonly warnings: string[] = [];
  #timers = new Map<number, { at: number; callback: () => void }>();
  #next = 1;

  readonly fetch: ReportFetch = (url, { body, headers, signal }) =>
    new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(new Error('aborted')));
      this.posts.push({
        url,
        report: JSON.parse(body),
        token: headers['authorization'],
        answer: async (status, body = { outcome: 'accepted' }) => {
          resolve({ ok: status < 300, status, text: async () => JSON.stringify(body) });
          await settle();
        },
        fail: async (error) => {
          reject(error);
          await settle();
        },
      });
    });

  reporter(receivers: ConstructorParameters<typeof Reporter>[0]['receivers'] = [RECEIVER]): Reporter {
    return new Reporter(
      { node: 'p', region: 'r', receivers },
      {
        wallMs: () => this.nowMs,
        random: () => 0.5,
        fetch: this.fetch,
        services: () => this.services,
        log: { info: () => {}, warn: (_, message) => this.warnings.push(message) },
        timers: {
          set: (callback, delayMs) => {
            this.#timers.set(this.#next, { at: this.nowMs + delayMs, callback });
            return this.#next++;
          },
          clear: (timer) => this.#timers.delete(timer as number),
        },
      },
    );
  }

  async advance(ms: number): Promise<void> {
    this.nowMs += ms;
    for (const [id, { at, callback }] of [...this.#timers]) {
      if (at > this.nowMs) continue;
      this.#timers.delete(id);
      callback();
    }
    await settle();
  }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

describe('Reporter', () => {
  it('sends at once and then every interval, with growing sequence numbers', async () => {
    const world = new World();
    world.reporter().start();
    await settle();
    expect(world.posts[0]).toMatchObject({ url: 'http://dns-1:8300/v1/reports', token: undefined });
    await world.posts[0]!.answer(204);
    await world.advance(1_999);
    expect(world.posts).toHaveLength(1);
    await world.advance(1);
    expect(world.posts.map(({ report }) => report.sequence)).toEqual([1, 2]);
    expect(world.posts[1]!.report.epoch).toBe(1_000_000);
  });

  it('keeps one request in flight, and sends the newest state after it', async () => {
    const world = new World();
    const reporter = world.reporter();
    reporter.start();
    await settle();
    for (const healthy of [1, 0]) {
      world.services = [{ service: 'web', endpoints: 2, healthy }];
      reporter.changed();
    }
    await settle();
    expect(world.posts).toHaveLength(1);
    await world.posts[0]!.answer(204);
    expect(world.posts).toHaveLength(2);
    expect(world.posts[1]!.report).toMatchObject({ state: 'down', services: [{ healthy: 0 }] });
  });

  it('does not let a silent receiver delay another, and gives it up after 1.5 s', async () => {
    const world = new World();
    const reporter = world.reporter([RECEIVER, { url: 'http://dns-2', readToken: null }]);
    reporter.start();
    await settle();
    await world.posts[1]!.answer(204);
    reporter.changed();
    await settle();
    expect(world.posts.map(({ url }) => url)).toEqual([
      'http://dns-1:8300/v1/reports',
      'http://dns-2/v1/reports',
      'http://dns-2/v1/reports',
    ]);
    await world.advance(1_500);
    expect(reporter.status()[0]).toMatchObject({ failed: 1, lastError: 'no answer after 1500 ms' });
  });

  it('asks a failing receiver only every interval, whatever changes, and logs rarely', async () => {
    const world = new World();
    const reporter = world.reporter();
    reporter.start();
    await settle();
    for (let i = 0; i < 40; i++) {
      reporter.changed();
      await world.posts.at(-1)!.fail(new Error('refused'));
      await world.advance(2_000);
    }
    expect(world.posts).toHaveLength(41);
    expect(world.warnings).toHaveLength(2);
    expect(reporter.status()[0]).toMatchObject({ sent: 0, failed: 40, lastError: 'refused' });
  });

  it('reads its token once, and again after a 401', async () => {
    const world = new World();
    let reads = 0;
    const readToken = async (): Promise<string> => `token-${++reads}\n`;
    const reporter = world.reporter([{ url: 'http://dns-1', readToken }]);
    reporter.start();
    await settle();
    await world.posts[0]!.answer(204);
    await world.advance(2_000);
    await world.posts[1]!.answer(401);
    await world.advance(2_000);
    expect(world.posts.map(({ token }) => token)).toEqual([
      'Bearer token-1',
      'Bearer token-1',
      'Bearer token-2',
    ]);
  });

  it('counts a token that cannot be read as a failure', async () => {
    const world = new World();
    const reporter = world.reporter([
      { url: 'http://dns-1', readToken: () => Promise.reject(new Error('ENOENT: report.token')) },
    ]);
    reporter.start();
    await settle();
    expect(reporter.status()[0]).toMatchObject({ failed: 1, lastError: 'ENOENT: report.token' });
  });

  it('sends nothing after close()', async () => {
    const world = new World();
    const reporter = world.reporter();
    reporter.start();
    await settle();
    reporter.close();
    reporter.changed();
    await world.advance(10_000);
    expect(world.posts).toHaveLength(1);
  });

  it.each([
    [[2, 1], 'up'],
    [[2, 0], 'degraded'],
    [[0, 0], 'down'],
    [[], 'up'],
  ])('calls healthy counts of %j %s', (healthy, state) => {
    const world = new World();
    world.services = healthy.map((count, i) => ({ service: `s${i}`, endpoints: 2, healthy: count }));
    expect(world.reporter().build().state).toBe(state);
  });

  it('counts a report that the receiver ignores for want of a name as failed', async () => {
    const world = new World();
    const reporter = world.reporter();
    reporter.start();
    await settle();
    await world.posts[0]!.answer(200, { outcome: 'ignored', code: 'unknown_node' });
    expect(reporter.status()[0]).toMatchObject({
      sent: 0,
      failed: 1,
      lastError: expect.stringContaining('names this proxy'),
    });
  });

  it('waits at its end until the receivers know that it drains', async () => {
    const world = new World();
    const reporter = world.reporter();
    reporter.start();
    await settle();
    await world.posts[0]!.answer(200);
    let told = false;
    const done = reporter.drain().then(() => {
      told = true;
    });
    await settle();
    expect(world.posts[1]?.report.state).toBe('draining');
    expect(told).toBe(false);
    await world.posts[1]!.answer(200);
    await done;
    expect(told).toBe(true);
  });
});

describe('a reporter whose clock is set', () => {
  it('starts anew where its start would lie in the future', () => {
    const world = new World();
    const reporter = world.reporter();
    expect(reporter.build()).toMatchObject({ epoch: 1_000_000, sequence: 1 });
    world.nowMs = 900_000;
    expect(reporter.build()).toMatchObject({ epoch: 900_000, sequence: 1, sent: 900_000 });
    expect(reporter.build()).toMatchObject({ epoch: 900_000, sequence: 2 });
    world.nowMs = 2_000_000;
    expect(reporter.build()).toMatchObject({ epoch: 900_000, sequence: 3 });
  });
});

describe('reports that get lost', () => {
  it('are made good soon, and then tried once an interval from start to start', async () => {
    const world = new World();
    world.reporter().start();
    await settle();
    const starts: number[] = [];
    for (let ms = 0; ms < 8000; ms += 100) {
      if (world.posts.length > starts.length) starts.push(world.nowMs - 1_000_000);
      await world.advance(100);
    }
    // Each is given up after 1.5 s.
    expect(starts).toEqual([0, 2000, 4000, 6000]);
  });
});
