import { describe, expect, it } from 'vitest';
import { answer } from '../../../../src/core/answer/answer.js';
import { compileSnapshot } from '../../../../src/core/answer/compile.js';
import { COUNTER } from '../../../../src/core/answer/counters.js';
import { createQuery, setPacket } from '../../../../src/core/answer/query.js';
import { EMPTY_LOCATIONS } from '../../../../src/core/geo/location.js';
import { logLine } from '../../../../src/core/query-log/line.js';
import { QueryRing, queryRingBytes } from '../../../../src/core/query-log/ring.js';
import { packet } from '../../../support/packet.js';
import { addressOf, readZone, zoneText } from '../../../support/query-rig.js';

const TIME_MS = Date.UTC(2026, 1, 28, 23, 59, 58, 7);
const NAMES = {
  worker: 3,
  zone: (slot: number) => `zone ${slot}`,
  pool: (slot: number) => ({ pool: `pool ${slot}`, region: 'eu' }),
  client: 'address',
} as const;

function rig() {
  const zone = readZone(zoneText('example.com', 'records: { www: { type: A, value: 192.0.2.1 } }\n'));
  const { snapshot } = compileSnapshot({ id: 1, zones: [zone], geo: EMPTY_LOCATIONS, slotOf: () => 0 });
  const query = createQuery(snapshot, new Int32Array(4), new Float64Array(COUNTER.SIZE), 1);
  const memory = new SharedArrayBuffer(queryRingBytes());
  const worker = new QueryRing(memory);
  const add = (bytes: Uint8Array, source = '192.0.2.200', action = 0) => {
    const output = new Uint8Array(2048);
    setPacket(query, bytes, 0, bytes.length, output, 0);
    query.source = Uint8Array.from(addressOf(source));
    query.sourceFamily = query.source.length === 4 ? 4 : 6;
    query.transportLimit = 1232;
    worker.add(query, TIME_MS, 0, 2, action, answer(query));
  };
  return { add, reader: new QueryRing(memory) };
}

const lineOf = (record: Parameters<typeof logLine>[0], client: 'address' | 'prefix' | 'none' = 'address') =>
  JSON.parse(logLine(record, { ...NAMES, client })) as Record<string, unknown>;

describe('QueryRing and logLine()', () => {
  it('carry a query and its answer', () => {
    const { add, reader } = rig();
    const bytes = packet({ name: 'WWW.example.com', opts: [{ payload: 1232 }] });
    add(bytes);
    const [record, ...rest] = reader.take(10);
    expect(rest).toEqual([]);
    expect(lineOf(record!)).toEqual({
      time: new Date(TIME_MS).toISOString(),
      worker: 3,
      client: '192.0.2.200',
      transport: 'udp',
      name: 'www.example.com.',
      type: 'A',
      class: 'IN',
      rcode: 'NOERROR',
      aa: true,
      tc: false,
      edns: true,
      do: false,
      cookie: false,
      query_size: bytes.length,
      answer_size: bytes.length + 16,
      action: 'sent',
      zone: 'zone 2',
    });
  });

  it.each([
    ['192.0.2.200', 'prefix', '192.0.2.0/24'],
    ['2001:db8:1:2ff::1', 'prefix', '2001:db8:1:200::/56'],
    ['2001:db8::1', 'address', '2001:db8::1'],
    ['192.0.2.200', 'none', undefined],
  ] as const)('say of %s, as %s, %s', (source, client, expected) => {
    const { add, reader } = rig();
    add(packet({ name: 'www.example.com' }), source);
    expect(lineOf(reader.take(1)[0]!, client)['client']).toBe(expected);
  });

  it('escape what a client puts into a name', () => {
    const { add, reader } = rig();
    const bytes = packet({ name: 'aaaaaa.example.com' });
    bytes.set([0x0a, 0x22, 0x5c, 0xff, 0x2e, 0x1b], 13);
    add(bytes);
    const line = logLine(reader.take(1)[0]!, NAMES);
    expect(/^[ -~]+$/.test(line)).toBe(true);
    expect((JSON.parse(line) as { name: string }).name).toMatch(
      /^\\010\\?"\\\\\\255\\.\\027\.example\.com\.$/,
    );
  });

  it('have no name where there is no whole question', () => {
    const { add, reader } = rig();
    add(packet({ name: 'www.example.com' }).subarray(0, 16));
    const line = lineOf(reader.take(1)[0]!);
    expect([line['rcode'], 'name' in line, 'type' in line]).toEqual(['FORMERR', false, false]);
  });

  it.each(['2024-02-29', '2000-03-01', '1999-12-31', '2100-03-01', '2026-01-01'])(
    'write the date %s',
    (date) => {
      const { add, reader } = rig();
      add(packet({ name: 'www.example.com' }));
      const record = { ...reader.take(1)[0]!, timeMs: Date.parse(date) + 45_296_789 };
      expect(lineOf(record)['time']).toBe(`${date}T12:34:56.789Z`);
    },
  );

  it('lose and count what finds no place, and go on when there is some', () => {
    const { add, reader } = rig();
    const bytes = packet({ name: 'www.example.com' });
    for (let i = 0; i < 4100; i++) add(bytes, `10.0.${i >> 8}.${i & 255}`);
    expect(reader.lost).toBe(4);
    expect(reader.take(5000)).toHaveLength(4096);
    expect(reader.take(5000)).toHaveLength(0);
    add(bytes, '10.9.9.9');
    expect([...reader.take(5000)[0]!.source]).toEqual([10, 9, 9, 9]);
    expect(reader.lost).toBe(4);
  });
});
