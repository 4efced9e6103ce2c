import { describe, expect, it } from 'vitest';
import {
  DEFAULT_LIMITS,
  DEFAULT_TIMEOUTS,
  type ListenerModel,
  type PoolModel,
  type ProxyModel,
} from '../../../../src/core/balance/model.js';
import { diffProxyModels, withoutRestart } from '../../../../src/core/balance/model-difference.js';

function http(port: number, pool = 'web', change: Partial<ListenerModel> = {}): ListenerModel {
  return {
    protocol: 'http',
    listen: { host: '127.0.0.1', port },
    routes: [{ match: { pathPrefix: '/' }, pool }],
    trusted: [],
    ...change,
  } as ListenerModel;
}

function tcp(port: number, pool = 'db'): ListenerModel {
  return { protocol: 'tcp', listen: { host: '127.0.0.1', port }, pool };
}

function pool(name: string, weight = 1): PoolModel {
  const endpoints = [{ address: { host: '10.0.0.1', port: 9000 }, weight }];
  return { name, balance: 'round_robin', endpoints };
}

const MODEL: ProxyModel = {
  node: { name: 'p', region: 'r' },
  workers: 2,
  io: 'auto',
  reportTo: [],
  admin: { listen: { host: '127.0.0.1', port: 8301 } },
  listeners: [http(80), tcp(5432)],
  pools: [pool('web'), pool('db')],
  timeouts: DEFAULT_TIMEOUTS,
  limits: DEFAULT_LIMITS,
};

const SAME = {
  listeners: { kept: ['127.0.0.1:80', '127.0.0.1:5432'], changed: [], added: [], removed: [] },
  pools: { kept: ['web', 'db'], changed: [], added: [], removed: [] },
  reopened: [],
  settings: [],
  restart: [],
};

describe('diffProxyModels()', () => {
  it.each<[string, Partial<ProxyModel>, object]>([
    [
      'another order',
      { listeners: [tcp(5432), http(80)], pools: [pool('db'), pool('web')] },
      { isEmpty: true },
    ],
    ['the same, read again', structuredClone(MODEL), { ...SAME, isEmpty: true }],
    [
      'another route',
      { listeners: [http(80, 'db'), tcp(5432)] },
      { listeners: { ...SAME.listeners, kept: ['127.0.0.1:5432'], changed: ['127.0.0.1:80'] }, reopened: [] },
    ],
    [
      'another protocol',
      { listeners: [tcp(80), tcp(5432)] },
      {
        listeners: { ...SAME.listeners, kept: ['127.0.0.1:5432'], changed: ['127.0.0.1:80'] },
        reopened: ['127.0.0.1:80'],
      },
    ],
    [
      'another port',
      { listeners: [http(81), tcp(5432)] },
      {
        listeners: {
          kept: ['127.0.0.1:5432'],
          changed: [],
          added: ['127.0.0.1:81'],
          removed: ['127.0.0.1:80'],
        },
      },
    ],
    [
      'another weight',
      { pools: [pool('web', 2), pool('db')] },
      { ...SAME, pools: { ...SAME.pools, kept: ['db'], changed: ['web'] }, isEmpty: false },
    ],
    [
      'a check that is gone',
      { pools: [{ ...pool('web'), balance: 'first' }, pool('db')] },
      { pools: { ...SAME.pools, kept: ['db'], changed: ['web'] } },
    ],
    [
      'pools that come and go',
      { pools: [pool('web'), pool('api')] },
      { pools: { kept: ['web'], changed: [], added: ['api'], removed: ['db'] } },
    ],
    [
      'timeouts and limits',
      { timeouts: { ...DEFAULT_TIMEOUTS, connectMs: 1 }, limits: { ...DEFAULT_LIMITS, connections: 1 } },
      { ...SAME, settings: ['limits', 'timeouts'], isEmpty: false },
    ],
    [
      'what needs a restart',
      { workers: 3, reportTo: [{ url: 'http://dns' }], node: { name: 'q', region: 'r' }, admin: null },
      { ...SAME, restart: ['admin', 'node', 'report_to', 'workers'], isEmpty: false },
    ],
  ])('sees %s', (_, change, expected) => {
    expect(diffProxyModels(MODEL, { ...MODEL, ...change })).toMatchObject(expected);
  });

  it('does not take a list for a map', () => {
    const odd = { ...MODEL, timeouts: [] as unknown as ProxyModel['timeouts'] };
    const map = { ...MODEL, timeouts: {} as unknown as ProxyModel['timeouts'] };
    expect(diffProxyModels(odd, map).settings).toEqual(['timeouts']);
  });
});

describe('withoutRestart()', () => {
  it('takes from the new model only what can change while it runs', () => {
    const to: ProxyModel = {
      ...MODEL,
      ...{ workers: 9, admin: null, pools: [pool('web', 7)], listeners: [http(80)] },
      accessLog: {
        ...{ sample: 1, errors: false, maxPerSecond: 1, to: 'stdout', maxBytes: 1, client: 'none' },
      },
    };
    const merged = withoutRestart(MODEL, to);
    expect(merged).toEqual({ ...MODEL, pools: [pool('web', 7)], listeners: [http(80)] });
    expect(diffProxyModels(MODEL, merged).restart).toEqual([]);
  });
});
