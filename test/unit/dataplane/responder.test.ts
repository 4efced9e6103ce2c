import { describe, expect, it } from 'vitest';
import { compileSnapshot } from '../../../src/core/answer/compile.js';
import { COUNTER } from '../../../src/core/answer/counters.js';
import type { Snapshot } from '../../../src/core/answer/snapshot.js';
import { decodeMessage } from '../../../src/core/dns/message.js';
import { EMPTY_LOCATIONS } from '../../../src/core/geo/location.js';
import { createHealthTable, healthTableBytes } from '../../../src/core/health/word.js';
import { Responder } from '../../../src/dataplane/responder.js';
import { packet } from '../../support/packet.js';
import { readZone, zoneText } from '../../support/query-rig.js';

function snapshotWith(address: string, id: number): Snapshot {
  const values = `"${'t'.repeat(255)}"`;
  const zone = readZone(
    zoneText(
      'example.com',
      `records:\n  www: { type: A, value: ${address} }\n  big: { type: TXT, values: [${[1, 2, 3, 4, 5, 6].map((i) => values.replace('t', String(i))).join(', ')}] }\n`,
    ),
  );
  return compileSnapshot({ id, zones: [zone], geo: EMPTY_LOCATIONS, slotOf: () => 0 }).snapshot;
}

function responderFor(snapshot: Snapshot) {
  const counters = new Float64Array(COUNTER.SIZE);
  const faults: unknown[] = [];
  const options = {
    listen: [],
    io: 'portable',
    shared: false,
    datagramMax: 1232,
    tcp: { maxConnections: 1, idleTimeoutMs: 1, lifetimeMs: 600_000, maxPerClient: 64, maxQueries: 10_000 },
    proxies: [],
  } as const;
  const health = createHealthTable(new SharedArrayBuffer(healthTableBytes(1)), 1);
  const responder = new Responder({ options, snapshot, health, counters, seed: 1 }, (error) =>
    faults.push(error),
  );
  const ask = (name: string, how: 'datagram' | 'message', family: 4 | 6 = 4, type = 1) => {
    const bytes = new Uint8Array(70_000);
    const query = packet({ id: 0xabcd, flags: 0x0100, name, type, opts: [{ payload: 4096 }] });
    bytes.set(query, 10);
    const length = responder[how](bytes, 10, 10 + query.length, bytes, 10, new Uint8Array(16), 0, family);
    return bytes.slice(10, 10 + length);
  };
  return { responder, counters, faults, ask };
}

describe('Responder', () => {
  it('answers from the newest snapshot', () => {
    const { responder, ask } = responderFor(snapshotWith('192.0.2.1', 1));
    expect(decodeMessage(ask('www.example.com', 'datagram'))?.answers[0]?.rdata).toBe('192.0.2.1');
    responder.use(snapshotWith('192.0.2.2', 2));
    expect(decodeMessage(ask('www.example.com', 'datagram'))?.answers[0]?.rdata).toBe('192.0.2.2');
  });

  it('keeps datagrams to their limit, and messages on a stream to theirs', () => {
    const { ask } = responderFor(snapshotWith('192.0.2.1', 1));
    expect(decodeMessage(ask('big.example.com', 'datagram', 4, 16))).toMatchObject({ truncated: true });
    expect(decodeMessage(ask('big.example.com', 'message', 4, 16))?.answers).toHaveLength(6);
    expect(decodeMessage(ask('big.example.com', 'datagram', 4, 16))).toMatchObject({ truncated: true });
  });

  it('counts by transport and family', () => {
    const { counters, ask } = responderFor(snapshotWith('192.0.2.1', 1));
    ask('www.example.com', 'datagram', 4);
    ask('www.example.com', 'datagram', 6);
    ask('www.example.com', 'datagram', 6);
    ask('www.example.com', 'message', 4);
    ask('www.example.com', 'message', 6);
    expect([...counters.subarray(COUNTER.UDP4, COUNTER.TCP6 + 1)]).toEqual([1, 2, 1, 1]);
  });

  it('turns a fault into SERVFAIL with the ID, in place too, tells it, and goes on', () => {
    const good = snapshotWith('192.0.2.1', 1);
    const broken = { ...good, buckets: null } as unknown as Snapshot;
    const { responder, counters, faults, ask } = responderFor(broken);
    const reply = ask('www.example.com', 'datagram');
    expect([...reply]).toEqual([0xab, 0xcd, 0x81, 2, 0, 0, 0, 0, 0, 0, 0, 0]);
    expect([faults.length, counters[COUNTER.FAULT]]).toEqual([1, 1]);
    responder.use(good);
    expect(decodeMessage(ask('www.example.com', 'datagram'))?.rcode).toBe(0);
  });
});
