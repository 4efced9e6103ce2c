import { describe, expect, it } from 'vitest';
import { createHealthChecker, type HealthCheck } from '../../../src/probe/checker.js';
import type { Check } from '../../../src/probe/probe.js';
import type { HealthChecker as ProxyNeed } from '../../../src/proxy/health-checker.js';
import { ManualTime } from '../../support/manual-time.js';

const CHECK: HealthCheck = { type: 'http', intervalMs: 1000, timeoutMs: 500, fall: 2, rise: 1 };

function setUp() {
  const time = new ManualTime();
  const state = { ok: true };
  const asked: { host: string; check: Check }[] = [];
  const checker = createHealthChecker({
    clock: time.clock,
    timers: time,
    random: () => 0,
    probe: async (host, check) => {
      asked.push({ host, check });
      return { ok: state.ok, detail: state.ok ? 'status 200' : 'connect refused', elapsedMs: 1 };
    },
  });
  // A test for the compiler: this is what the proxy asks for.
  checker satisfies ProxyNeed;
  const heard: string[] = [];
  const listener = (name: string) => (up: boolean, detail: string) =>
    heard.push(`${name} ${up ? 'up' : 'down'}: ${detail}`);
  return { time, state, asked, checker, heard, listener };
}

describe('createHealthChecker()', () => {
  it('tells the first result and then each change only', async () => {
    const { time, state, checker, heard, listener } = setUp();
    checker.watch('a', { host: '127.0.0.1', port: 9000 }, CHECK, listener('a'));
    await checker.firstRound();
    expect(heard).toEqual(['a up: status 200']);
    await time.advance(5000);
    state.ok = false;
    await time.advance(5000);
    state.ok = true;
    await time.advance(5000);
    expect(heard).toEqual(['a up: status 200', 'a down: connect refused', 'a up: status 200']);
    checker.close();
  });

  it('tells every good check', async () => {
    const { time, state, checker, listener } = setUp();
    let good = 0;
    checker.watch('a', { host: '127.0.0.1', port: 9000 }, CHECK, listener('a'), () => good++);
    await checker.firstRound();
    expect(good).toBe(1);
    await time.advance(3000);
    const before = good;
    expect(before).toBeGreaterThanOrEqual(3);
    state.ok = false;
    await time.advance(3000);
    expect(good).toBe(before);
    checker.close();
  });

  it('fills in what the check leaves out', async () => {
    const { time, asked, checker, listener } = setUp();
    checker.watch('a', { host: '::1', port: 9000 }, CHECK, listener('a'));
    await time.advance(0);
    expect(asked).toEqual([
      {
        host: '::1',
        check: expect.objectContaining({
          port: 9000,
          path: '/',
          method: 'GET',
          status: [{ from: 200, to: 399 }],
          verify: true,
        }),
      },
    ]);
    checker.close();
  });

  it('asks the health service of gRPC, for all of the server where no service is named', async () => {
    const { time, asked, checker, listener } = setUp();
    checker.watch('a', { host: '::1', port: 50051 }, { ...CHECK, type: 'grpc', tls: true }, listener('a'));
    await time.advance(0);
    expect(asked[0]!.check).toMatchObject({
      type: 'grpc',
      port: 50051,
      service: '',
      tls: true,
      verify: true,
    });
    checker.close();
  });

  it('tells a listener that watches the same again', async () => {
    const { time, checker, heard, listener } = setUp();
    checker.watch('a', { host: 'h', port: 1 }, CHECK, listener('first'));
    await time.advance(100);
    checker.watch('a', { host: 'h', port: 1 }, CHECK, listener('second'));
    await time.advance(100);
    expect(heard).toEqual(['first up: status 200', 'second up: status 200']);
    checker.close();
  });

  it('is silent after unwatch() and close()', async () => {
    const { time, state, checker, heard, listener } = setUp();
    checker.watch('a', { host: 'h', port: 1 }, CHECK, listener('a'));
    checker.watch('b', { host: 'h', port: 1 }, CHECK, listener('b'));
    await time.advance(100);
    heard.length = 0;
    checker.unwatch('a');
    state.ok = false;
    await time.advance(3000);
    expect(heard).toEqual(['b down: connect refused']);
    checker.close();
    state.ok = true;
    await time.advance(3000);
    expect(heard).toHaveLength(1);
    expect(time.pending).toBe(0);
  });
});
