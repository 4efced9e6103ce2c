import { describe, expect, it } from 'vitest';
import { ProxyReload } from '../../../src/compose/proxy-reload.js';
import type { ProxyModel } from '../../../src/core/balance/model.js';
import type { ModelDifference } from '../../../src/core/balance/model-difference.js';
import type { ListenFailure } from '../../../src/proxy/listening.js';
import { loadProxyConfig } from '../../../src/sources/proxy-config.js';
import { ManualTime } from '../../support/manual-time.js';

const FIRST = `node: { name: p, region: r }
workers: 1
listeners: [ { listen: "127.0.0.1:8080", protocol: http, pool: web } ]
pools: { web: { endpoints: [ { address: "127.0.0.1:9000" } ] } }
`;

function load(text: string) {
  return loadProxyConfig('proxy.yaml', text, { environment: {}, cores: 1, cwd: '/etc' });
}

class World {
  readonly time = new ManualTime();
  text: string | Error = FIRST;
  version = 1;
  failures: readonly ListenFailure[] = [];
  readonly applied: (readonly [ProxyModel, ModelDifference])[] = [];
  readonly said: string[] = [];
  readonly reload: ProxyReload;
  /** Held back until called, where set. */
  hold: Promise<void> = Promise.resolve();

  constructor() {
    const first = load(FIRST);
    if ('problems' in first) throw new Error('the first configuration is wrong');
    const say = (_: object, message: string) => void this.said.push(message);
    this.reload = new ProxyReload(first.config, {
      read: async () => {
        if (this.text instanceof Error) throw this.text;
        return this.text;
      },
      version: async () => String(this.version),
      load,
      apply: async (model, difference) => {
        await this.hold;
        if (this.failures.length === 0) this.applied.push([model, difference]);
        return this.failures;
      },
      nowMs: () => 5,
      timers: {
        set: (run, ms) => this.time.setTimeout(run, ms),
        clear: (timer) => this.time.clearTimeout(timer),
      },
      log: { info: say, warn: say, error: say },
    });
  }

  write(text: string | Error): void {
    this.text = text;
    this.version++;
  }
}

const NEXT = FIRST.replace('9000', '9001');

describe('ProxyReload', () => {
  it('takes a file that changed, when it stays the same for a while', async () => {
    const world = new World();
    await world.reload.start();
    await world.time.advance(3000);
    expect(world.applied).toEqual([]);
    world.write('node:');
    await world.time.advance(1000);
    world.write(NEXT);
    await world.time.advance(1000);
    expect(world.applied).toEqual([]);
    await world.time.advance(1000);
    expect(world.applied.map(([, { pools }]) => pools.changed)).toEqual([['web']]);
    expect(world.reload.status).toMatchObject({ applied: 1, refused: 0, problems: [] });
    expect(world.reload.model.pools[0]!.endpoints[0]!.address.port).toBe(9001);
    await world.time.advance(5000);
    expect(world.applied).toHaveLength(1);
  });

  it('refuses a file with mistakes, says where they are, and keeps the former configuration', async () => {
    const world = new World();
    await world.reload.start();
    const { hash } = world.reload.status;
    world.write(FIRST.replace('pool: web', 'pool: wbe'));
    await world.reload.reload();
    expect(world.applied).toEqual([]);
    expect(world.reload.status).toMatchObject({ hash, refused: 1 });
    expect(world.reload.status.problems).toEqual([
      'proxy.yaml:3:64: listeners[0].pool: there is no pool "wbe"; there is web',
    ]);
    world.write(FIRST);
    await world.reload.reload();
    expect(world.reload.status).toMatchObject({ hash, applied: 0, refused: 1, problems: [] });
  });

  it('refuses a file that is gone, once, and takes it when it is back', async () => {
    const world = new World();
    await world.reload.start();
    world.write(new Error('ENOENT'));
    await world.time.advance(5000);
    expect(world.reload.status).toMatchObject({ refused: 1 });
    expect(world.reload.status.problems[0]).toContain('ENOENT');
    world.write(NEXT);
    await world.time.advance(3000);
    expect(world.reload.status).toMatchObject({ applied: 1, problems: [] });
  });

  it('keeps all where a new listener cannot be opened', async () => {
    const world = new World();
    const message = '127.0.0.1:81 is in use';
    world.failures = [
      { code: 'address_in_use', address: '127.0.0.1:81', key: 'listeners[0].listen', message },
    ];
    world.write(NEXT);
    await world.reload.reload();
    expect(world.reload.status).toMatchObject({ applied: 0, refused: 1, problems: [message] });
    expect(world.reload.model.pools[0]!.endpoints[0]!.address.port).toBe(9000);
  });

  it('names what waits for a restart, and takes the rest', async () => {
    const world = new World();
    world.write(NEXT.replace('workers: 1', 'workers: 4'));
    await world.reload.reload();
    expect(world.reload.status).toMatchObject({ applied: 1, waiting: ['workers'] });
    expect(world.applied[0]![0].workers).toBe(1);
    await world.reload.reload();
    expect(world.said.filter((message) => message.includes('next start'))).toHaveLength(1);
  });

  it('runs one reload at a time, and once more for those who asked meanwhile', async () => {
    const world = new World();
    let release = () => {};
    world.hold = new Promise((resolve) => {
      release = resolve;
    });
    world.write(NEXT);
    const first = world.reload.reload();
    await new Promise((resolve) => setImmediate(resolve));
    world.write(FIRST.replace('9000', '9002'));
    const others = [world.reload.reload(), world.reload.reload()];
    release();
    await Promise.all([first, ...others]);
    expect(world.applied.map(([{ pools }]) => pools[0]!.endpoints[0]!.address.port)).toEqual([9001, 9002]);
  });

  it('ends', async () => {
    const world = new World();
    await world.reload.start();
    await world.reload.close();
    world.write(NEXT);
    await world.time.advance(5000);
    expect(world.applied).toEqual([]);
  });
});
