import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { buildProgram } from '../../../src/compose/program.js';
import { removeFolders, temporaryFolder } from '../../support/folder.js';

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
}

const asked: Asked[] = [];
/** What the proxy answers, by path; an empty object otherwise. */
const answers = new Map<string, unknown>();
let server: Server;
let printed = '';

beforeEach(async () => {
  server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const { method = '', url: path = '' } = request;
    asked.push({ method, path, body: text === '' ? undefined : JSON.parse(text) });
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(answers.get(path) ?? {}));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const write = (chunk: unknown): boolean => {
    printed += String(chunk);
    return true;
  };
  vi.spyOn(process.stdout, 'write').mockImplementation(write);
  vi.spyOn(process.stderr, 'write').mockImplementation(write);
  vi.stubEnv('MERIDIAN_TOKEN', 'a-token');
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  server.closeAllConnections();
  server.close();
  process.exitCode = 0;
  asked.length = 0;
  answers.clear();
  printed = '';
});
afterAll(removeFolders);

async function run(line: string): Promise<string> {
  const { port } = server.address() as AddressInfo;
  const words = line.split(' ').map((word) => word.replaceAll('_', ' '));
  const program = buildProgram(() => {});
  await program.parseAsync([...words, '--api', `http://127.0.0.1:${port}`], { from: 'user' });
  return printed;
}

const ROLLOUT = {
  ...{
    route: 'shop',
    from: 'blue',
    to: 'green',
    by: 'ops',
    at: '2026-03-01T12:00:00.000Z',
    state: 'running',
  },
  ...{ step: 0, percent: 5, steps: [{ percent: 5, seconds: 60 }], why: 'few requests' },
  seen: { new: { requests: 10, errors: 1, p99_ms: 12 }, healthy: 1 },
  history: [{ at: '2026-03-01T12:00:00.000Z', event: 'started', percent: 5, by: 'ops' }],
};

describe('meridian proxy rollout', () => {
  it.each([
    ['start shop', 'start', {}],
    [
      'start shop --steps 10:1m,100 --hold 5m --min-requests 7 --on-failure pause',
      'start',
      {
        steps: [
          { percent: 10, hold: '1m' },
          { percent: 100, hold: '5m' },
        ],
        analysis: { min_requests: 7 },
        on_failure: 'pause',
      },
    ],
    ['start shop --blue-green', 'start', { steps: [{ percent: 100, hold: '10m' }] }],
    ['promote shop -m looks_good', 'promote', { why: 'looks good' }],
    ['pause shop', 'pause', undefined],
    ['resume shop', 'resume', undefined],
    ['abort shop', 'abort', undefined],
  ])('%s', async (line, action, body) => {
    answers.set(`/v1/rollouts/shop/${action}`, ROLLOUT);
    const text = await run(`proxy rollout ${line}`);
    expect(asked).toEqual([{ method: 'POST', path: `/v1/rollouts/shop/${action}`, body }]);
    expect(text).toContain('shop is running at 5 %; back: meridian proxy rollout abort shop');
  });

  it('says what to write when one is promoted', async () => {
    answers.set('/v1/rollouts/shop/promote', { ...ROLLOUT, state: 'promoted', percent: 100 });
    expect(await run('proxy rollout promote shop')).toContain('write green as the pool of route shop');
  });

  it('lists, shows and forgets', async () => {
    answers.set('/v1/rollouts', { rollouts: [ROLLOUT] });
    answers.set('/v1/rollouts/shop', ROLLOUT);
    expect(await run('proxy rollout list')).toMatch(
      /shop +blue → green +running at 5 % +1\/1 +ops +few requests/,
    );
    printed = '';
    expect(await run('proxy rollout show shop')).toContain(
      'new 10 % errors of 10, p99 12 ms; 100 % of new up',
    );
    printed = '';
    expect(await run('proxy rollout remove shop')).toContain('is forgotten');
    expect(asked.at(-1)).toMatchObject({ method: 'POST', path: '/v1/rollouts/shop/remove' });
  });

  it('ends with a failure when the one that is watched was rolled back', async () => {
    answers.set('/v1/rollouts/shop', { ...ROLLOUT, state: 'rolled_back', percent: 0 });
    await expect(run('proxy rollout show shop --watch')).rejects.toThrow('rollout shop was rolled back');
  });
});

describe('meridian proxy status', () => {
  it('says how pools fail, who ordered maintenance, and what limits refuse', async () => {
    const since = '2026-03-01T12:00:00.000Z';
    const pool = {
      name: 'web',
      balance: 'p2c',
      healthy: 0,
      panic: false,
      fail: 'open',
      in_flight: 0,
      queued: 2,
    };
    const endpoint = {
      address: '10.0.0.1:80',
      state: 'up',
      detail: 'fine',
      weight: 1,
      in_flight: 0,
      requests: 5,
    };
    answers.set('/v1/status', {
      ...{
        node: { name: 'p', region: 'eu' },
        version: '1',
        workers: 1,
        state: 'up',
        listeners: [],
        reports: [],
      },
      configuration: { hash: 'h', since, problems: [], waiting_for_restart: [] },
      pools: [
        {
          ...pool,
          ...{ maintenance: true, maintenance_order: { by: 'ops', since, why: 'disks' } },
          endpoints: [{ ...endpoint, errors: 0, connect_failures: 0 }],
        },
      ],
      rate_limits: [
        { name: 'all', dry_run: false, passed: 9, refused: 1, would_refuse: 0 },
        { name: 'try', dry_run: true, passed: 9, refused: 0, would_refuse: 7 },
      ],
      peers: [{ name: '10.0.0.2:8302', state: 'silent' }],
    });
    const text = await run('proxy status');
    expect(text).toMatch(/web, fails open, maintenance, 2 queued +10\.0\.0\.1:80 +up/);
    expect(text).toMatch(/MAINTENANCE ORDER.*\nweb +ops .* disks/);
    expect(text).toMatch(/all +9 +1\n/);
    expect(text).toMatch(/try +9 +7 \(dry run\)/);
    expect(text).toMatch(/10\.0\.0\.2:8302 +silent/);
  });
});

describe('meridian proxy maintenance', () => {
  it.each([
    ['on -m new_database', { on: true, why: 'new database' }],
    ['off', { on: false }],
    ['auto', { on: null }],
  ])('%s', async (state, body) => {
    answers.set('/v1/pools/web/maintenance', { pool: 'web', maintenance: body.on === true, in_flight: 3 });
    const text = await run(`proxy maintenance web ${state}`);
    expect(asked).toEqual([{ method: 'POST', path: '/v1/pools/web/maintenance', body }]);
    expect(text).toContain(body.on ? 'is in maintenance, 3 in progress; back:' : 'is in use, 3 in progress');
  });
});

describe('meridian proxy events', () => {
  it('prints what happened, without what could steer a terminal', async () => {
    const at = '2026-03-01T12:03:04.000Z';
    const event = {
      sequence: 7,
      at,
      type: 'pool.maintenance',
      data: { pool: 'web', on: true, by: 'o\u001bps' },
    };
    answers.set('/v1/events?after=6', { last: 7, events: [event] });
    const text = await run('proxy events --since 6');
    expect(text).toBe('12:03:04 pool.maintenance  pool=web on=true by=o\u{FFFD}ps\n');
  });
});

describe('meridian proxy check', () => {
  const check = async (pools: string): Promise<string> => {
    const file = join(temporaryFolder(), 'proxy.yaml');
    const listeners = '[ { listen: "127.0.0.1:8080", protocol: http, pool: web } ]';
    writeFileSync(file, `node: { name: p, region: r }\nlisteners: ${listeners}\npools: ${pools}\n`);
    await buildProgram(() => {}).parseAsync(['proxy', 'check', file], { from: 'user' });
    return printed;
  };

  it('says how each pool fails', async () => {
    const endpoints = 'endpoints: [ { address: "127.0.0.1:1" } ]';
    const web = `web: { ${endpoints}, fail: open, fallback: { pool: spare }, breaker: {} }`;
    const text = await check(`{ ${web}, spare: { ${endpoints}, fallback: { respond: { status: 503 } } } }`);
    expect(text).toMatch(/web +1 +round_robin +open +pool spare +breaker/);
    expect(text).toMatch(/spare +1 +round_robin +secure +page 503/);
    expect(process.exitCode).toBe(0);
  });

  it('lists mistakes, with line and column', async () => {
    expect(await check('{ web: { endpoints: [], fial: open } }')).toMatch(/proxy\.yaml:3:\d+: pools\.web/);
    expect(process.exitCode).toBe(1);
  });
});
