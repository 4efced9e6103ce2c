import { describe, expect, it } from 'vitest';
import { COUNTER } from '../../../src/core/answer/counters.js';
import { decodeMessage } from '../../../src/core/dns/message.js';
import { RateLimiter, type RateLimits } from '../../../src/core/limit/rate-limiter.js';
import { AnswerLimit, type LimitedClient } from '../../../src/dataplane/answer-limit.js';
import { Responder } from '../../../src/dataplane/responder.js';
import { packet } from '../../support/packet.js';
import { QueryRig, readZone, zoneText } from '../../support/query-rig.js';

const ZONE = zoneText(
  'example.com',
  `records:
  www: [ { type: A, value: 192.0.2.1 }, { type: AAAA, value: "2001:db8::1" } ]
  other: { type: A, value: 192.0.2.2 }
  "*.wild": { type: A, value: 192.0.2.3 }
  sub: { type: NS, value: ns.example.net. }
`,
);
const OWN = `rate_limit: { responses_per_second: 4, nxdomains_per_second: 0 }\n`;

const LIMITS: RateLimits = {
  rates: [2, 2, 2, 2, 2],
  window: 5,
  slip: 0,
  ipv4Prefix: 24,
  ipv6Prefix: 56,
  exempt: [],
  tableSize: 1024,
  logOnly: false,
};

function limited(limits: Partial<RateLimits> = {}, zone = ZONE) {
  const rig = new QueryRig([readZone(zone)]);
  const counters = new Float64Array(COUNTER.SIZE);
  const told: LimitedClient[] = [];
  let nowMs = 0;
  const limit = new AnswerLimit(new RateLimiter({ ...LIMITS, ...limits }, 3, 4), counters, {
    tell: (client) => told.push(client),
    now: () => nowMs,
  });
  const options = {
    listen: [],
    io: 'portable',
    shared: false,
    datagramMax: 1232,
    tcp: { maxConnections: 1, idleTimeoutMs: 1, lifetimeMs: 600_000, maxPerClient: 64, maxQueries: 10_000 },
    proxies: [],
  } as const;
  const { snapshot } = rig.compiled;
  const responder = new Responder(
    { options, snapshot, health: rig.health, counters, seed: 1 },
    () => {},
    limit,
  );
  const ask = (name: string, type = 1, how: 'datagram' | 'message' = 'datagram', source = [192, 0, 2, 9]) => {
    const bytes = new Uint8Array(70_000);
    const query = packet({ name, type, opts: [{}] });
    bytes.set(query);
    const length = responder[how](bytes, 0, query.length, bytes, 0, Uint8Array.from(source), 0, 4);
    return length === 0 ? undefined : decodeMessage(bytes.slice(0, length));
  };
  const times = (count: number, name: (i: number) => string, type = 1) =>
    Array.from({ length: count }, (_, i) => ask(name(i), type)).filter(Boolean).length;
  const later = (ms: number) => {
    nowMs += ms;
    responder.tick(nowMs);
  };
  return { ask, times, counters, told, later };
}

describe('limits on answers', () => {
  it.each([
    ['one name and type', () => 'www.example.com', 1, 2],
    ['all that a wildcard makes', (i: number) => `n${i}.wild.example.com`, 1, 2],
    ['NODATA at one name', () => 'www.example.com', 15, 2],
    ['names that are not there', (i: number) => `n${i}.example.com`, 1, 2],
    ['referrals to one delegation', (i: number) => `n${i}.sub.example.com`, 1, 2],
    ['whatever is refused', (i: number) => `n${i}.example.net`, 1, 2],
  ])('count as one: %s', (_what, name, type, expected) => {
    expect(limited().times(20, name, type)).toBe(expected);
  });

  it('count apart: names, and types of one name', () => {
    const { times } = limited();
    const counts = [
      times(3, () => 'www.example.com', 1),
      times(3, () => 'www.example.com', 28),
      times(3, () => 'other.example.com', 1),
    ];
    expect(counts).toEqual([2, 2, 2]);
  });

  it('do not hold on streams', () => {
    const { ask } = limited();
    for (let i = 0; i < 20; i++) expect(ask('www.example.com', 1, 'message')?.answers).toHaveLength(1);
  });

  it('a truncated answer has the question, OPT and TC, and nothing else', () => {
    const { ask, counters } = limited({ slip: 1 });
    ask('www.example.com');
    ask('www.example.com');
    const cut = ask('www.example.com')!;
    expect(cut).toMatchObject({
      truncated: true,
      rcode: 0,
      answers: [],
      authorities: [],
      edns: { version: 0 },
    });
    expect(cut.question?.name).toBe('www.example.com.');
    expect(counters[COUNTER.LIMITED]).toBe(1);
  });

  it('are the zone’s where it has its own', () => {
    const { times } = limited({}, `${OWN}${ZONE}`.replace(/^(rate_limit.*\n)(zone.*\n)/, '$2$1'));
    const counts = [
      times(9, () => 'www.example.com'),
      times(9, (i) => `n${i}.example.com`),
      times(9, () => 'www.example.com', 15),
    ];
    expect(counts).toEqual([4, 9, 2]);
  });

  it('only count where they are to be tried', () => {
    const { times, counters, told } = limited({ logOnly: true });
    expect(times(9, () => 'www.example.com')).toBe(9);
    expect([counters[COUNTER.LIMITED + 2], told.length]).toEqual([7, 1]);
  });

  it('tell who is limited, with the prefix, and at most once a second', () => {
    const { times, told, later } = limited();
    times(9, () => 'www.example.com');
    times(9, () => 'other.example.com');
    expect(told).toEqual([{ address: Uint8Array.of(192, 0, 2, 9), prefix: 24, kind: 'response' }]);
    later(1000);
    times(9, () => 'www.example.com', 15);
    expect(told[1]).toMatchObject({ kind: 'nodata' });
  });

  it('let go of the client when the second is over', () => {
    const { times, later } = limited();
    expect(times(3, () => 'www.example.com')).toBe(2);
    later(2000);
    expect(times(3, () => 'www.example.com')).toBe(2);
  });
});
