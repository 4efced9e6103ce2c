import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatAudit } from '../../../src/cli/audit.js';
import { EventReader } from '../../../src/cli/event-text.js';
import { formatEvent } from '../../../src/cli/events.js';

const STREAM = 'retry: 500\n\n:\n\nid: 7\nevent: plan.created\ndata: {"a":1}\n\ndata: x\r\ndata:  y\r\n\r\n';
const EVENTS = [
  { id: '7', type: 'plan.created', data: '{"a":1}' },
  { id: '7', type: 'message', data: 'x\n y' },
];

describe('EventReader', () => {
  it('reads events and the time to wait', () => {
    const reader = new EventReader();
    expect([reader.read(STREAM), reader.retryMs]).toEqual([EVENTS, 500]);
  });

  it('reads the same from any pieces', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: STREAM.length })), (cuts) => {
        const reader = new EventReader();
        const places = [0, ...cuts.toSorted((a, b) => a - b), STREAM.length];
        const pieces = places.slice(1).map((end, i) => STREAM.slice(places[i], end));
        expect(pieces.flatMap((piece) => reader.read(piece) ?? [])).toEqual(EVENTS);
      }),
    );
  });

  it('gives up what never ends', () => {
    const reader = new EventReader();
    let piece: unknown = [];
    for (let i = 0; i < 10 && piece; i++) piece = reader.read('x'.repeat(1024 * 1024));
    expect(piece).toBeUndefined();
    const lines = new EventReader();
    expect(lines.read(`data: ${'y'.repeat(1000)}\n`.repeat(5000))).toBeUndefined();
  });
});

describe('formatEvent()', () => {
  it.each([
    [
      'steering.changed',
      { at: '2026-01-01T12:03:04.000Z', data: { by: 'ann', message: 'drain a/b', n: 7 } },
      '12:03:04 steering.changed  by=ann message="drain a/b" n=7',
    ],
    ['x', { at: 1, data: { text: '\u001b[2J' } }, 'x  text=\ufffd[2J'],
    ['x', { at: '', data: { text: '\u009b2J' } }, ' x  text=\ufffd2J'],
  ])('%s on one line', (type, data, line) => {
    expect(formatEvent({ type, data: JSON.stringify(data) })).toBe(line);
  });

  it('says that some are missed, and shows what is no JSON', () => {
    expect(formatEvent({ type: 'missed', data: '{}' })).toContain('kept no more');
    expect(formatEvent({ type: 'x', data: 'a\u001bb' })).toBe('x  a\ufffdb');
  });
});

describe('formatAudit()', () => {
  it('tells who did what, and how it ended', () => {
    const entry = { id: 1, at: '2026-01-01T12:03:04.000Z', who: 'ann', address: '192.0.2.1', method: 'PUT' };
    const path = '/v1/steering/forces/a.test%2Feu';
    const entries = [
      { ...entry, path, status: 200, revision: 7 },
      { ...entry, who: null, path: '/v1/tokens%0A', status: 401, code: 'unauthorized', omitted: 3 },
    ];
    const lines = formatAudit({ entries, next: 'WzFd' }).split('\n');
    expect(lines).toEqual([
      'TIME (UTC)           WHO  FROM       RESULT            REVISION  REQUEST',
      '2026-01-01 12:03:04  ann  192.0.2.1  200               7         PUT /v1/steering/forces/a.test/eu',
      '2026-01-01 12:03:04  -    192.0.2.1  401 unauthorized            PUT /v1/tokens%0A (3 refusals before are left out)',
      '',
      'older ones: --cursor WzFd',
    ]);
  });

  it('says that there is none', () => {
    expect(formatAudit({ entries: [] })).toBe('no request fits');
  });
});
