import { describe, expect, it } from 'vitest';
import { compileSnapshot } from '../../../src/core/answer/compile.js';
import { COUNTER } from '../../../src/core/answer/counters.js';
import { createCookieKeys, type Identity, setCookieKeys } from '../../../src/core/answer/identity.js';
import type { Snapshot } from '../../../src/core/answer/snapshot.js';
import { decodeMessage } from '../../../src/core/dns/message.js';
import { parsePrefix } from '../../../src/core/dns/rdata/address.js';
import { EMPTY_LOCATIONS } from '../../../src/core/geo/location.js';
import { ANSWER_KINDS } from '../../../src/core/limit/answer-kind.js';
import { QueryRing } from '../../../src/core/query-log/ring.js';
import {
  LIMIT_ACTIONS,
  limitedCell,
  ZONE_CELL,
  ZONE_SLOT_NONE,
  ZONE_SLOT_OTHER,
} from '../../../src/core/tally/cells.js';
import {
  createLedgerMemory,
  Ledger,
  type LedgerOptions,
  type LimitOptions,
} from '../../../src/dataplane/ledger.js';
import type { LimitEvent } from '../../../src/dataplane/limit-watch.js';
import { Responder } from '../../../src/dataplane/responder.js';
import { packet } from '../../support/packet.js';
import { addressOf, readZone, zoneText } from '../../support/query-rig.js';

const RATE = 4;
const LIMIT: LimitOptions = {
  responsesPerSecond: RATE,
  nxdomainsPerSecond: RATE,
  errorsPerSecond: RATE,
  windowSeconds: 5,
  slip: 2,
  ipv4Prefix: 24,
  ipv6Prefix: 56,
  exempt: [],
  tableSize: 1024,
  logOnly: false,
};

const RECORDS = `pools:
  eu: { endpoints: [{ A: 192.0.2.7 }] }
  gone: { endpoints: [{ A: 192.0.2.8, status: down }, { AAAA: "2001:db8::1" }], fallback: eu }
  dead: { endpoints: [{ A: 192.0.2.9, status: down }] }
records:
  www: { type: A, value: 192.0.2.1 }
  web: { type: A, value: 192.0.2.1 }
  "*.w": { type: A, value: 192.0.2.1 }
  sub: { type: NS, value: ns.example.net. }
  geo: { type: A, dynamic: { steering: failover, pools: [gone] } }
  shut: { type: A, fail: closed, dynamic: { steering: weighted, pools: { dead: 1 } } }
`;

function rigOf(options: LedgerOptions, head = '') {
  const zone = readZone(zoneText('example.com', head + RECORDS));
  const snapshot: Snapshot = compileSnapshot({
    id: 1,
    zones: [zone],
    geo: EMPTY_LOCATIONS,
    slotOf: () => 0,
  }).snapshot;
  const memory = createLedgerMemory(options);
  const events: LimitEvent[] = [];
  const clock = { ms: 0 };
  const ledger = new Ledger(options, memory, {
    monotonic: () => clock.ms,
    now: () => clock.ms,
    seed: 5,
    key: [1, 2],
    onLimit: (event) => events.push(event),
  });
  const cookieKeys = createCookieKeys();
  setCookieKeys(cookieKeys, [new Uint8Array(16).fill(7)]);
  const none = new Uint8Array(0);
  const identity: Identity = { nsid: none, version: none, id: none, cookieKeys };
  const workerOptions = {
    listen: [],
    io: 'portable',
    shared: false,
    datagramMax: 1232,
    tcp: { maxConnections: 1, idleTimeoutMs: 1, lifetimeMs: 600_000, maxPerClient: 64, maxQueries: 10_000 },
    proxies: [],
  } as const;
  const health = new Int32Array(8);
  health[1] = -1;
  const counters = new Float64Array(COUNTER.SIZE);
  const responder = new Responder(
    { options: workerOptions, snapshot, health, counters, seed: 1, identity },
    () => {},
    ledger,
  );
  const send = (
    query: Uint8Array,
    from = '198.51.100.1',
    how: 'datagram' | 'message' | 'dot' = 'datagram',
  ) => {
    const bytes = new Uint8Array(70_000);
    bytes.set(query);
    const source = Uint8Array.from(addressOf(from));
    const family = source.length === 4 ? 4 : 6;
    const length = responder[how](bytes, 0, query.length, bytes, 0, source, 0, family);
    return bytes.slice(0, length);
  };
  /** As many answers as there were, whole and truncated. */
  const flood = (name: string, count: number, from?: string, how?: 'datagram' | 'message' | 'dot') => {
    const sent = { whole: 0, truncated: 0 };
    for (let i = 0; i < count; i++) {
      const reply = decodeMessage(send(packet({ name: name.replace('#', String(i)) }), from, how));
      if (reply) sent[reply.truncated ? 'truncated' : 'whole']++;
    }
    return sent;
  };
  const cell = (at: number, slot = ZONE_SLOT_OTHER) => memory.zones[slot * ZONE_CELL.STRIDE + at];
  const limited = (
    kind: (typeof ANSWER_KINDS)[number],
    action: (typeof LIMIT_ACTIONS)[number],
    slot?: number,
  ) => cell(ZONE_CELL.LIMITED + limitedCell(ANSWER_KINDS.indexOf(kind), LIMIT_ACTIONS.indexOf(action)), slot);
  return { responder, snapshot, memory, events, clock, send, flood, cell, limited, ledger };
}

describe('Ledger: limits', () => {
  it.each([
    ['positive', 'www.example.com'],
    ['wildcard', '#.w.example.com'],
    ['nxdomain', '#.example.com'],
    ['referral', 'x#.sub.example.com'],
  ] as const)('limits %s answers, and every second of those slips', (kind, name) => {
    const rig = rigOf({ limit: LIMIT });
    expect(rig.flood(name, RATE + 10)).toEqual({ whole: RATE, truncated: 5 });
    expect([rig.limited(kind, 'dropped'), rig.limited(kind, 'slipped')]).toEqual([5, 5]);
  });

  it('lets an error that slips leave as it is', () => {
    const rig = rigOf({ limit: LIMIT });
    expect(rig.flood('www.example.net', RATE + 10)).toEqual({ whole: RATE + 5, truncated: 0 });
    expect(rig.limited('error', 'dropped', ZONE_SLOT_NONE)).toBe(5);
  });

  it('limits SERVFAIL of a fault too', () => {
    const rig = rigOf({ limit: { ...LIMIT, slip: 0 } });
    rig.responder.use({ ...rig.snapshot, buckets: null } as unknown as Snapshot);
    expect(rig.flood('www.example.com', 3 * RATE).whole).toBe(RATE);
  });

  it.each([
    [0, 0],
    [1, 10],
    [3, 3],
    [10, 1],
  ])('slip %i: of ten limited answers %i leave', (slip, truncated) => {
    const rig = rigOf({ limit: { ...LIMIT, slip } });
    expect(rig.flood('www.example.com', RATE + 10)).toEqual({ whole: RATE, truncated });
  });

  it('keeps question, ID and OPT in what slips, and nothing else', () => {
    const rig = rigOf({ limit: { ...LIMIT, slip: 1 } });
    rig.flood('www.example.com', RATE);
    const query = packet({ id: 77, flags: 0x0100, name: 'wWw.example.com', opts: [{ payload: 1232 }] });
    const reply = rig.send(query);
    expect(reply.length).toBe(query.length);
    expect([...reply.subarray(12, query.length - 11)]).toEqual([...query.subarray(12, query.length - 11)]);
    expect(decodeMessage(reply)).toMatchObject({ id: 77, truncated: true, answers: [], rcode: 0 });
  });

  it('has accounts for each prefix and name', () => {
    const rig = rigOf({ limit: LIMIT });
    rig.flood('www.example.com', 100, '198.51.100.1');
    expect(rig.flood('www.example.com', 1, '198.51.100.250').whole).toBe(0);
    expect(rig.flood('www.example.com', 1, '198.51.101.1').whole).toBe(1);
    expect(rig.flood('web.example.com', 1, '198.51.100.1').whole).toBe(1);
    rig.flood('www.example.com', 100, '2001:db8:0:100::1');
    expect(rig.flood('www.example.com', 1, '2001:db8:0:1ff::1').whole).toBe(0);
    expect(rig.flood('www.example.com', 1, '2001:db8:0:200::1').whole).toBe(1);
  });

  it.each(['message', 'dot'] as const)('never limits what comes by %s', (how) => {
    const rig = rigOf({ limit: LIMIT });
    expect(rig.flood('www.example.com', 100, '198.51.100.1', how).whole).toBe(100);
  });

  it('never limits exempt prefixes, nor anybody where it only logs', () => {
    const prefix = parsePrefix('198.51.100.0/28');
    if ('code' in prefix) throw new Error(prefix.message);
    const exempt = rigOf({ limit: { ...LIMIT, exempt: [prefix] } });
    expect(exempt.flood('www.example.com', 100).whole).toBe(100);
    expect(exempt.limited('positive', 'dropped')).toBe(0);
    const logOnly = rigOf({ limit: { ...LIMIT, logOnly: true } });
    expect(logOnly.flood('www.example.com', 100).whole).toBe(100);
    expect(logOnly.limited('positive', 'logged')).toBe(100 - RATE);
  });

  it('never limits a client with a valid cookie', () => {
    const rig = rigOf({ limit: LIMIT });
    const ask = (data: readonly number[]) =>
      rig.send(packet({ name: 'www.example.com', opts: [{ payload: 1232, options: [[10, [...data]]] }] }));
    const mine = [1, 2, 3, 4, 5, 6, 7, 8];
    const reply = ask(mine);
    const given = [...reply.subarray(reply.length - 24)];
    expect(given.slice(0, 8)).toEqual(mine);
    rig.flood('www.example.com', 100);
    for (let i = 0; i < 10; i++) expect(decodeMessage(ask(given))?.answers).toHaveLength(1);
  });

  it.each([
    ['rate_limit: off\n', 100, 100],
    ['rate_limit: { responses_per_second: 20 }\n', 20, RATE],
    ['rate_limit: { nxdomains_per_second: 7 }\n', RATE, 7],
  ])('%j in the zone wins', (head, positive, nxdomain) => {
    const rig = rigOf({ limit: { ...LIMIT, slip: 0 } }, head);
    expect(rig.flood('www.example.com', 100).whole).toBe(positive);
    expect(rig.flood('#.example.com', 100).whole).toBe(nxdomain);
  });

  it('serves again after the window, and tells of begin and end', () => {
    const rig = rigOf({ limit: LIMIT });
    rig.flood('www.example.com', 1000);
    const facts = { prefix: '198.51.100.0/24', kind: 'positive', zone: ZONE_SLOT_OTHER };
    expect(rig.events).toEqual([{ ...facts, limited: true }]);
    rig.clock.ms = 5000;
    rig.ledger.tick();
    expect(rig.events).toHaveLength(1);
    rig.clock.ms = 6000;
    rig.ledger.tick();
    expect(rig.events[1]).toEqual({ ...facts, limited: false });
    expect(rig.flood('www.example.com', RATE).whole).toBe(RATE);
  });

  it('tells of a few prefixes a second only', () => {
    const rig = rigOf({ limit: LIMIT });
    for (let i = 0; i < 50; i++) rig.flood('www.example.com', 10, `10.0.${i}.1`);
    expect(rig.events).toHaveLength(3);
  });
});

describe('Ledger: counters', () => {
  it('counts by zone, type, transport and family, and by response code', () => {
    const rig = rigOf({});
    rig.flood('www.example.com', 3);
    rig.flood('www.example.com', 2, '2001:db8::1', 'message');
    rig.flood('nothing.example.com', 1, '198.51.100.1', 'dot');
    rig.flood('www.example.net', 1);
    expect([0, 3, 4].map((at) => rig.cell(ZONE_CELL.REQUESTS + at))).toEqual([3, 2, 1]);
    expect(rig.cell(ZONE_CELL.REQUESTS, ZONE_SLOT_NONE)).toBe(1);
    const rcode = (code: number, slot?: number) =>
      [...Array(8).keys()].reduce(
        (sum, size) => sum + rig.cell(ZONE_CELL.RESPONSES + 8 * code + size, slot)!,
        0,
      );
    expect([rcode(0), rcode(3), rcode(5, ZONE_SLOT_NONE)]).toEqual([5, 1, 1]);
  });

  it('counts decisions: the fallback of a failover, and a weighted record that fails closed', () => {
    const rig = rigOf({});
    rig.flood('geo.example.com', 2);
    rig.flood('shut.example.com', 3);
    expect(rig.memory.pools[(3 << 2) | 1]).toBe(2);
    expect(rig.cell(ZONE_CELL.FAILED_CLOSED + 2)).toBe(3);
  });

  it('counts nothing where nothing is answered', () => {
    const rig = rigOf({ limit: LIMIT });
    expect(rig.send(new Uint8Array(5)).length).toBe(0);
    expect(rig.memory.zones.every((value) => value === 0)).toBe(true);
  });
});

describe('Ledger: the sample for the log', () => {
  it.each([
    [1, 1000, 1000],
    [0.5, 420, 580],
    [0.01, 1, 30],
  ])('of 1000 queries, %d: from %i to %i', (sample, least, most) => {
    const rig = rigOf({ queryLog: { sample, maxPerSecond: 10_000 } });
    rig.flood('www.example.com', 1000);
    const logged = new QueryRing(rig.memory.ring!).take(5000).length;
    expect(logged).toBeGreaterThanOrEqual(least);
    expect(logged).toBeLessThanOrEqual(most);
  });

  it('is bounded in each second', () => {
    const rig = rigOf({ queryLog: { sample: 1, maxPerSecond: 10 } });
    rig.flood('www.example.com', 100);
    rig.ledger.tick();
    rig.flood('www.example.com', 100);
    expect(new QueryRing(rig.memory.ring!).take(5000)).toHaveLength(20);
  });

  it('says what the limiter did', () => {
    const rig = rigOf({ limit: LIMIT, queryLog: { sample: 1, maxPerSecond: 1000 } });
    rig.flood('www.example.com', RATE + 2);
    const records = new QueryRing(rig.memory.ring!).take(100);
    expect(records.map(({ action }) => action)).toEqual([0, 0, 0, 0, 1, 2]);
    expect(records.at(-2)?.answerSize).toBe(0);
  });
});
