import { describe, expect, it } from 'vitest';
import type { HealthCheck, PoolModel } from '../../../src/core/balance/model.js';
import { EndpointWatch } from '../../../src/proxy/endpoint-watch.js';
import type { Verdict } from '../../../src/proxy/protocol.js';

const CHECK: HealthCheck = {
  ...{
    type: 'tcp',
    path: '/',
    status: [],
    verify: true,
    intervalMs: 5000,
    timeoutMs: 2000,
    fall: 3,
    rise: 1,
  },
};

function pool(ports: readonly number[], health: HealthCheck = CHECK): PoolModel {
  const endpoints = ports.map((port) => ({ address: { host: '10.0.0.1', port }, weight: 1 }));
  return { name: 'web', balance: 'round_robin', endpoints, health };
}

function rig(ports: readonly number[]) {
  const watched = new Map<string, (up: boolean, detail: string) => void>();
  const checker = {
    watch: (key: string, _a: unknown, _c: unknown, onChange: (up: boolean, detail: string) => void) => {
      watched.set(key, onChange);
    },
    unwatch: (key: string) => void watched.delete(key),
    firstRound: () => Promise.resolve(),
    close() {},
  };
  const told: Verdict[] = [];
  const watch = new EndpointWatch([pool(ports)], checker, (verdict) => told.push(verdict));
  const say = (port: number, up: boolean) => watched.get(`web/10.0.0.1:${port}`)!(up, 'said');
  return { watch, watched, told, say };
}

describe('EndpointWatch', () => {
  it('keeps what is known of an endpoint that has another place now', () => {
    const { watch, watched, told, say } = rig([1, 2]);
    const before = watched.get('web/10.0.0.1:2');
    say(2, false);
    watch.use([pool([2, 3])]);
    expect(watched.get('web/10.0.0.1:2')).toBe(before);
    expect([...watched.keys()].toSorted()).toEqual(['web/10.0.0.1:2', 'web/10.0.0.1:3']);
    expect(watch.verdicts).toEqual([{ pool: 'web', endpoint: 0, up: false, detail: 'said' }]);
    say(2, true);
    expect(told.at(-1)).toMatchObject({ endpoint: 0, up: true });
  });

  it('tells nobody of endpoints that are only prepared', () => {
    const { watch, told, say } = rig([1]);
    watch.prepare([pool([9, 1])]);
    say(9, false);
    expect(told).toEqual([]);
    watch.use([pool([9, 1])]);
    expect(watch.verdicts).toEqual([{ pool: 'web', endpoint: 0, up: false, detail: 'said' }]);
    say(9, true);
    expect(told).toMatchObject([{ endpoint: 0, up: true }]);
  });

  it('begins another check anew, with what the former one found until it has found something', () => {
    const { watch, watched, say } = rig([1]);
    const before = watched.get('web/10.0.0.1:1');
    say(1, false);
    watch.use([pool([1], { ...CHECK, fall: 5 })]);
    expect(watched.get('web/10.0.0.1:1')).not.toBe(before);
    expect(watch.verdicts).toMatchObject([{ endpoint: 0, up: false }]);
    watch.use([]);
    expect(watched.size).toBe(0);
  });
});
