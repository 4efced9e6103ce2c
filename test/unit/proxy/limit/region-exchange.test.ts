import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { hashText, mix } from '../../../../src/core/balance/hash.js';
import { bucketRate, type RegionShare } from '../../../../src/core/limit/bucket-rate.js';
import { BucketTable, bucketTableBytes } from '../../../../src/core/limit/bucket-table.js';
import {
  decodeRegionMessage,
  encodeRegionMessage,
  REGION_ENTRIES_MAX,
} from '../../../../src/core/limit/region-message.js';
import { RegionPeers } from '../../../../src/core/limit/region-peers.js';
import { RegionExchange } from '../../../../src/proxy/limit/region-exchange.js';

const [SELF, PEER] = ['10.0.0.1:8302', '10.0.0.2:8302'];
const LIMIT = 4711;
const sign = (message: Uint8Array) => createHmac('sha256', 'secret').update(message).digest().subarray(0, 16);

class Rig {
  readonly table = new BucketTable(new SharedArrayBuffer(bucketTableBytes(16_384)), true);
  readonly sent: Uint8Array[] = [];
  readonly shares: RegionShare[] = [];
  timer: (() => void) | null = null;
  nowMs = 0;
  wallMs = 1_000;
  readonly exchange: RegionExchange;
  #sequence = 0;

  constructor() {
    this.table.setRate(0, bucketRate({ requests: 10, periodMs: 60_000, burst: 10 }));
    const { table, shares } = this;
    const rig = this;
    this.exchange = new RegionExchange(SELF, [PEER], {
      limits: {
        table,
        get nowMs() {
          return rig.nowMs;
        },
        slotOf: (number) => (number === LIMIT ? 0 : undefined),
        numberOf: (slot) => (slot === 0 ? LIMIT : undefined),
        share: (share) => void shares.push(share),
      },
      authenticate: sign,
      send: (_name, message) => void this.sent.push(message),
      timers: {
        set: (run) => {
          this.timer = run;
        },
        clear: () => {
          this.timer = null;
        },
      },
      ...{ random: () => 0.5, wallMs: () => this.wallMs },
    });
  }

  /** What the peer says. */
  message(count: number, more: object = {}): Uint8Array {
    const head = {
      goodbye: false,
      epochMs: 1,
      sentMs: 1_000,
      sequence: ++this.#sequence,
      from: hashText(PEER),
    };
    return encodeRegionMessage(
      { ...head, entries: [{ first: 1, second: 2, limit: LIMIT, count }], ...more },
      sign,
    );
  }

  told(): readonly number[] {
    return this.sent.splice(0).map((bytes) => decodeRegionMessage(bytes, sign)!.entries.length);
  }
}

describe('RegionExchange', () => {
  it('takes off what others used, and knows from then on that they are there', () => {
    const rig = new Rig();
    rig.exchange.receive(PEER, rig.message(10));
    expect(rig.table.take(1, 2, 0, 0)).toBeLessThan(0);
    expect(rig.shares.at(-1)).toEqual({ proxies: 2, heard: 2 });
    expect(rig.exchange.counts).toMatchObject({ received: 1, forged: 0 });
  });

  it('ignores strangers, forgeries, repetitions and limits that it does not have', () => {
    const rig = new Rig();
    const good = rig.message(10, { entries: [{ first: 1, second: 2, limit: 5, count: 10 }] });
    rig.exchange.receive('10.9.9.9:1', rig.message(10));
    rig.exchange.receive(PEER, rig.message(10).fill(0, 40, 44));
    rig.exchange.receive(PEER, new Uint8Array(0));
    rig.exchange.receive(PEER, good);
    rig.exchange.receive(PEER, good);
    expect(rig.exchange.counts).toMatchObject({ unknown_sender: 1, forged: 2, received: 1, repeated: 1 });
    expect(rig.table.take(1, 2, 0, 0)).toBeGreaterThan(0);
  });

  it('tells what was used once, in as many messages as it takes, and that it is there if nothing was', () => {
    const rig = new Rig();
    rig.exchange.start();
    expect(rig.told()).toEqual([0]);
    for (let key = 1; key <= 6_000; key++) rig.table.take(mix(key), mix(key + 10_000), 0, 0);
    rig.timer!();
    const told = rig.told();
    expect(told).toHaveLength(64);
    expect(new Set(told)).toEqual(new Set([REGION_ENTRIES_MAX]));
    rig.timer!();
    const rest = rig.told();
    expect([...told, ...rest].reduce((sum, count) => sum + count, 0)).toBe(6_000 - rig.table.evicted);
    rig.timer!();
    expect(rig.told()).toEqual([0]);
  });

  it('says goodbye once, and nothing after that', () => {
    const rig = new Rig();
    rig.exchange.start();
    rig.sent.length = 0;
    rig.exchange.close();
    rig.exchange.close();
    expect(rig.sent.map((bytes) => decodeRegionMessage(bytes, sign)?.goodbye)).toEqual([true]);
    expect(rig.timer).toBeNull();
  });

  it('begins anew before its numbers run out, and when its clock was set back, so that others go on to believe it', () => {
    const rig = new Rig();
    const peers = new RegionPeers([SELF]);
    const heard = () => peers.hear(SELF, decodeRegionMessage(rig.sent.at(-1)!, sign)!, 0, rig.wallMs);
    rig.wallMs = 4e12;
    rig.exchange.round();
    expect(heard()).toBe('ok');
    rig.wallMs = 2e12;
    const later = new RegionPeers([SELF]);
    rig.exchange.round();
    expect(later.hear(SELF, decodeRegionMessage(rig.sent.at(-1)!, sign)!, 0, rig.wallMs)).toBe('ok');
    for (let i = 0; i < 20_001; i++) {
      rig.exchange.round();
      rig.sent.splice(0, rig.sent.length - 1);
    }
    const last = decodeRegionMessage(rig.sent.at(-1)!, sign)!;
    expect(last.sequence).toBeLessThan(10);
    expect(later.hear(SELF, last, 0, rig.wallMs)).toBe('ok');
  });
});
