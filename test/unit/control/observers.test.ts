import { describe, expect, it } from 'vitest';
import type { ObservedTarget } from '../../../src/control/observed-entry.js';
import { ObserverBook } from '../../../src/control/observers.js';
import type { Verdict } from '../../../src/core/health/quorum.js';
import type { Report } from '../../../src/core/health/report.js';

const NOW = 1_700_000_000_000;

const PROBED: ObservedTarget = { key: 'a', quorum: 'majority', intervalMs: 5000 };
const PROXIED: ObservedTarget = { key: 'p', quorum: 'all', intervalMs: 5000, proxy: 'eu-1', service: 'web' };

function report(changes: Partial<Report> = {}): Report {
  return {
    schema: 1,
    node: 'eu-1',
    region: 'eu',
    epoch: NOW - 60_000,
    sequence: 1,
    sent: NOW,
    intervalMs: 2000,
    state: 'up',
    services: [{ service: 'web', endpoints: 3, healthy: 2 }],
    ...changes,
  };
}

function bookOf(targets: readonly ObservedTarget[]) {
  const changes: string[] = [];
  const short = ({ state, basis, up, known }: Verdict) => `${state}/${basis}/${up}of${known}`;
  const book = new ObserverBook({
    onVerdict: (key, next, previous) => changes.push(`${key}: ${short(previous)} → ${short(next)}`),
  });
  book.setTargets(targets, NOW);
  return { book, changes, state: (key: string) => short(book.verdict(key)!) };
}

describe('ObserverBook', () => {
  it('starts with the last known verdict and without observers', () => {
    const { book, changes } = bookOf([PROBED, { ...PROBED, key: 'b', last: 'down' }]);
    expect(book.verdict('a')).toEqual({ state: 'up', basis: 'held', up: 0, known: 0 });
    expect(book.verdict('b')?.state).toBe('down');
    expect(changes).toEqual([]);
  });

  it('tells of a change once, not of every result', () => {
    const { book, changes } = bookOf([PROBED]);
    book.probeResult('a', true, 'status 200', NOW);
    book.probeResult('a', true, 'status 200', NOW + 5000);
    book.probeResult('a', false, 'connect refused', NOW + 10_000);
    book.probeResult('a', false, 'connect refused', NOW + 15_000);
    expect(changes).toEqual([
      'a: up/held/0of0 → up/observers/1of1',
      'a: up/observers/1of1 → down/observers/0of1',
    ]);
  });

  it('ignores a probe of a target that is gone', () => {
    const { book, changes } = bookOf([PROBED]);
    book.setTargets([], NOW);
    book.probeResult('a', false, 'late', NOW);
    expect(changes).toEqual([]);
    expect(book.describe('a', NOW)).toBeUndefined();
  });

  it('keeps the verdict of a target that stays, and judges anew when its quorum changes', () => {
    const { book, state } = bookOf([PROXIED]);
    book.probeResult('p', false, 'timeout after 2000 ms', NOW);
    book.report(report(), NOW);
    expect(state('p')).toBe('down/observers/1of2');
    book.setTargets([{ ...PROXIED, quorum: 'any' }], NOW + 1);
    expect(state('p')).toBe('up/observers/1of2');
  });

  it('gives a new target the view of a proxy that has already reported', () => {
    const { book, state } = bookOf([PROXIED]);
    book.report(report({ services: [{ service: 'web', endpoints: 3, healthy: 0 }] }), NOW);
    book.setTargets([PROXIED, { ...PROXIED, key: 'q' }], NOW + 100);
    expect(state('q')).toBe('down/observers/0of1');
  });

  it('forgets the view of a proxy that the target no longer names', () => {
    const { book, state } = bookOf([PROXIED]);
    book.report(report({ state: 'down' }), NOW);
    expect(state('p')).toBe('down/observers/0of1');
    book.setTargets([{ key: 'p', quorum: 'all' }], NOW + 1);
    expect(state('p')).toBe('down/held/0of0');
    expect(book.report(report({ sequence: 2 }), NOW + 2)).toMatchObject({ code: 'unknown_node' });
  });

  it('calls the view of a dead proxy unknown after three intervals, so that the probe decides alone', () => {
    const { book, state } = bookOf([PROXIED]);
    book.probeResult('p', true, 'status 200', NOW);
    book.report(report({ state: 'down' }), NOW);
    book.expire(NOW + 5999);
    expect(state('p')).toBe('down/observers/1of2');
    book.expire(NOW + 6000);
    expect(state('p')).toBe('up/observers/1of1');
  });

  it('holds the last verdict when every view is too old', () => {
    const { book, state, changes } = bookOf([PROBED]);
    book.probeResult('a', false, 'connect refused', NOW);
    book.expire(NOW + 15_000);
    expect(state('a')).toBe('down/held/0of0');
    expect(changes.at(-1)).toBe('a: down/observers/0of1 → down/held/0of0');
  });
});

describe('ObserverBook report()', () => {
  it.each<[string, Partial<Report>, string]>([
    ['healthy endpoints', {}, 'up/observers/1of1'],
    [
      'no healthy endpoint',
      { services: [{ service: 'web', endpoints: 3, healthy: 0 }] },
      'down/observers/0of1',
    ],
    ['a degraded proxy with healthy endpoints', { state: 'degraded' }, 'up/observers/1of1'],
    ['a proxy that is down', { state: 'down' }, 'down/observers/0of1'],
    ['a proxy that drains', { state: 'draining' }, 'down/observers/0of1'],
    ['another service', { services: [{ service: 'db', endpoints: 1, healthy: 0 }] }, 'up/held/0of0'],
  ])('judges %s', (_, changes, expected) => {
    const { book, state } = bookOf([PROXIED]);
    expect(book.report(report(changes), NOW)).toEqual({ outcome: 'accepted' });
    expect(state('p')).toBe(expected);
  });

  it('counts all services where the endpoint names none', () => {
    const { book, state } = bookOf([{ key: 'p', quorum: 'all', proxy: 'eu-1' }]);
    const none = { endpoints: 2, healthy: 0 };
    book.report(
      report({
        services: [
          { service: 'a', ...none },
          { service: 'b', ...none },
        ],
      }),
      NOW,
    );
    expect(state('p')).toBe('down/observers/0of1');
    book.report(report({ sequence: 2, services: [{ service: 'b', endpoints: 2, healthy: 1 }] }), NOW);
    expect(state('p')).toBe('up/observers/1of1');
  });

  it.each<[string, Partial<Report>, number, string]>([
    ['the same sequence again', {}, 0, 'old_sequence'],
    ['a smaller sequence, even when the last one is too old', { sequence: 4 }, 60_000, 'old_sequence'],
    ['a report of an earlier start', { epoch: NOW - 70_000, sequence: 99 }, 0, 'old_epoch'],
    ['a clock that is far ahead', { sequence: 6, sent: NOW + 300_001 }, 0, 'from_future'],
    ['a start that is far ahead', { epoch: NOW + 300_001, sequence: 1 }, 0, 'from_future'],
    ['a proxy that no endpoint names', { node: 'us-1', sequence: 6 }, 0, 'unknown_node'],
  ])('ignores %s', (_, changes, laterMs, code) => {
    const { book, state } = bookOf([PROXIED]);
    book.report(report({ sequence: 5 }), NOW);
    const before = state('p');
    const outcome = book.report(report({ sequence: 5, state: 'down', ...changes }), NOW + laterMs);
    expect(outcome).toEqual({ outcome: 'ignored', code });
    expect(state('p')).toBe(before);
    expect(book.counters).toMatchObject({ accepted: 1, [code]: 1 });
  });

  it.each<[string, Partial<Report>, number]>([
    ['the next sequence', { sequence: 6 }, 0],
    ['a restart', { epoch: NOW - 10, sequence: 1 }, 0],
    ['a clock that is a little ahead', { sequence: 6, sent: NOW + 10_000 }, 0],
    ['an earlier start once the later one went silent', { epoch: NOW - 70_000, sequence: 1 }, 6000],
  ])('accepts %s', (_, changes, laterMs) => {
    const { book } = bookOf([PROXIED]);
    book.report(report({ sequence: 5 }), NOW);
    expect(book.report(report({ ...changes }), NOW + laterMs)).toEqual({ outcome: 'accepted' });
  });

  it.each<[number, number]>([
    [1, 1000],
    [0, 1000],
    [3_600_000, 60_000],
  ])('believes a reporter with an interval of %d ms for %d ms', (intervalMs, ttlMs) => {
    const { book, state } = bookOf([PROXIED]);
    book.report(report({ intervalMs, state: 'down' }), NOW);
    book.expire(NOW + ttlMs - 1);
    expect(state('p')).toBe('down/observers/0of1');
    book.expire(NOW + ttlMs);
    expect(state('p')).toBe('down/held/0of0');
  });
});

describe('ObserverBook describe()', () => {
  it('shows each observer, its age and what it saw', () => {
    const { book } = bookOf([PROXIED]);
    book.probeResult('p', true, 'status 200', NOW);
    book.probeResult('p', false, 'status 503, want 200–399', NOW + 1000);
    expect(book.describe('p', NOW + 1500)).toEqual({
      key: 'p',
      quorum: 'all',
      verdict: { state: 'down', basis: 'observers', up: 0, known: 1 },
      sinceMs: NOW + 1000,
      observers: [
        { observer: 'probe', view: 'down', ageMs: 500, detail: 'status 503, want 200–399' },
        { observer: 'proxy:eu-1/web', view: 'unknown', detail: 'no observation yet' },
      ],
    });
  });

  it('shows the reporters, silent ones too', () => {
    const { book } = bookOf([PROXIED, { ...PROXIED, key: 'q', proxy: 'us-1' }]);
    book.report(report(), NOW);
    expect(book.reporters(NOW + 7000)).toEqual([
      {
        node: 'eu-1',
        region: 'eu',
        state: 'up',
        fresh: false,
        ageMs: 7000,
        epoch: NOW - 60_000,
        sequence: 1,
      },
      { node: 'us-1', fresh: false },
    ]);
  });
});

const PEERS = ['dns-us', 'dns-ap'] as const;
const WATCHED: ObservedTarget = { key: 'a', quorum: 'majority', intervalMs: 5000, probeId: 'probe-a' };

function peerReport(node: string, changes: Partial<Report> = {}): Report {
  return report({ node, region: node.slice(4), services: [], probes: { up: [], down: [] }, ...changes });
}

function bookOfPeers(target: Partial<ObservedTarget> = {}) {
  const book = new ObserverBook({ onVerdict: () => {} }, { region: 'eu', peers: PEERS });
  book.setTargets([{ ...WATCHED, ...target }], NOW);
  return { book, verdict: () => book.verdict('a') };
}

describe('ObserverBook with other DNS nodes', () => {
  it('counts what they see: one node that is cut off from a target does not take it down', () => {
    const { book, verdict } = bookOfPeers();
    book.report(peerReport('dns-us', { probes: { up: ['probe-a'], down: [] } }), NOW);
    book.report(peerReport('dns-ap', { probes: { up: ['probe-a'], down: [] } }), NOW);
    book.probeResult('a', false, 'timeout', NOW);
    expect(verdict()).toEqual({ state: 'up', basis: 'observers', up: 2, known: 3 });
    book.report(peerReport('dns-ap', { sequence: 2, probes: { up: [], down: ['probe-a'] } }), NOW);
    expect(verdict()).toEqual({ state: 'down', basis: 'observers', up: 1, known: 3 });
  });

  it('counts one voice for each region', () => {
    const { book, verdict } = bookOfPeers();
    book.report(peerReport('dns-us', { region: 'eu', probes: { up: [], down: ['probe-a'] } }), NOW);
    book.report(peerReport('dns-ap', { probes: { up: ['probe-a'], down: [] } }), NOW);
    book.probeResult('a', false, 'timeout', NOW);
    expect(verdict()).toMatchObject({ state: 'down', up: 1, known: 3 });
  });

  it('counts only its own region under from: regional', () => {
    const judgement = { from: 'regional', minObservers: 1, rampMs: 0, holdDownMs: 0 } as const;
    const { book, verdict } = bookOfPeers({ judgement });
    book.report(peerReport('dns-us', { probes: { up: ['probe-a'], down: [] } }), NOW);
    book.probeResult('a', false, 'timeout', NOW);
    expect(verdict()).toMatchObject({ state: 'down', up: 0, known: 1 });
  });

  it('holds the last verdict with fewer observers than there must be', () => {
    const judgement = { from: 'global', minObservers: 2, rampMs: 0, holdDownMs: 0 } as const;
    const { book, verdict } = bookOfPeers({ judgement });
    book.report(peerReport('dns-us', { probes: { up: ['probe-a'], down: [] } }), NOW);
    book.probeResult('a', true, 'ok', NOW);
    expect(verdict()).toMatchObject({ state: 'up', basis: 'observers' });
    book.probeResult('a', false, 'timeout', NOW + 6000);
    expect(verdict()).toEqual({ state: 'up', basis: 'held', up: 0, known: 1 });
  });

  it.each<[string, Partial<Report>]>([
    ['does not watch the target', { probes: { up: ['other'], down: [] } }],
    ['shuts down', { state: 'draining', probes: { up: [], down: ['probe-a'] } }],
    ['is a node without probes', {}],
  ])('leaves a peer out that %s', (_, changes) => {
    const { book, verdict } = bookOfPeers();
    book.report(peerReport('dns-us', changes), NOW);
    book.probeResult('a', true, 'ok', NOW);
    expect(verdict()).toEqual({ state: 'up', basis: 'observers', up: 1, known: 1 });
  });

  it('does not count the probes of a proxy, nor of a node that it does not know', () => {
    const { book, verdict } = bookOfPeers({ proxy: 'eu-1' });
    const down = { up: [], down: ['probe-a'] };
    book.report(report({ probes: down }), NOW);
    expect(verdict()).toMatchObject({ state: 'up', up: 1, known: 1 });
    expect(book.report(peerReport('dns-xx', { probes: down }), NOW)).toMatchObject({ code: 'unknown_node' });
  });

  it('believes a view only as long as it would have been fresh without the delay', () => {
    const { book, verdict } = bookOfPeers();
    const down = { up: [], down: ['probe-a'] };
    book.report(peerReport('dns-us', { sent: NOW - 3_600_000, probes: down }), NOW);
    expect(verdict()).toMatchObject({ state: 'down' });
    // Seven seconds on the way: older than three intervals when it arrives.
    const late = { sequence: 2, sent: NOW - 3_600_000 + 2000, probes: down };
    book.report(peerReport('dns-us', late), NOW + 9000);
    book.expire(NOW + 9000);
    expect(verdict()).toMatchObject({ state: 'down', basis: 'held', known: 0 });
  });

  it('tells what its own probes see, fresh views only', () => {
    const { book } = bookOfPeers();
    expect(book.probeViews(NOW)).toEqual({ up: [], down: [] });
    book.probeResult('a', false, 'timeout', NOW);
    expect(book.probeViews(NOW)).toEqual({ up: [], down: ['probe-a'] });
    expect(book.probeViews(NOW + 15_000)).toEqual({ up: [], down: [] });
  });

  it('shows silent peers, and until when a flapping target is kept down', () => {
    const { book } = bookOfPeers();
    for (let i = 0; i < 4; i++) {
      book.probeResult('a', false, 'refused', NOW);
      book.probeResult('a', true, 'ok', NOW + 1);
    }
    expect(book.describe('a', NOW + 1)).toMatchObject({
      verdict: { state: 'down', basis: 'damped', up: 1, known: 1 },
      heldDownUntilMs: NOW + 10_000,
      observers: [
        { observer: 'probe', region: 'eu', view: 'up' },
        { observer: 'dns:dns-us', view: 'unknown', detail: 'no observation yet' },
        { observer: 'dns:dns-ap', view: 'unknown', detail: 'no observation yet' },
      ],
    });
    book.expire(NOW + 10_000);
    expect(book.verdict('a')).toMatchObject({ state: 'up', basis: 'observers' });
  });

  it.each<[string, boolean, string | undefined, number]>([
    ['its own probes need two more failures', true, 'up', 10_000],
    ['a peer does not agree', true, 'down', 5000],
    ['nobody has a view', false, undefined, 2000],
  ])('says when the verdict could change: %s', (_, probed, peer, flipMs) => {
    const { book } = bookOfPeers();
    if (probed) book.probeResult('a', true, 'ok', NOW, 10_000);
    const probes = { up: peer === 'up' ? ['probe-a'] : [], down: peer === 'down' ? ['probe-a'] : [] };
    if (peer) book.report(peerReport('dns-us', { probes }), NOW);
    // A tie would be down: a third voice.
    if (peer) book.report(peerReport('dns-ap', { probes: { up: ['probe-a'], down: [] } }), NOW);
    expect(book.flipMs('a', NOW)).toBe(flipMs);
  });
});
