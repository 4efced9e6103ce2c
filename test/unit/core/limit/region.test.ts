import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hashText } from '../../../../src/core/balance/hash.js';
import {
  decodeRegionMessage,
  encodeRegionMessage,
  REGION_ENTRIES_MAX,
  REGION_MESSAGE_BYTES_MAX,
} from '../../../../src/core/limit/region-message.js';
import { REGION_CLOCK_MS, REGION_SILENCE_MS, RegionPeers } from '../../../../src/core/limit/region-peers.js';

const sign = (secret: string) => (message: Uint8Array) =>
  createHmac('sha256', secret).update(message).digest().subarray(0, 16);
const ENTRY = { first: -5, second: 2 ** 31 - 1, limit: 77, count: 4_000_000_000 };
const HEAD = {
  goodbye: false,
  epochMs: 1_700_000_000_000,
  sentMs: 1_700_000_000_123.5,
  sequence: 9,
  from: 1234,
};

describe('messages of a region', () => {
  it.each([0, 1, REGION_ENTRIES_MAX])('hold %d entries, and fit into a datagram', (count) => {
    const message = { ...HEAD, entries: Array.from({ length: count }, () => ENTRY) };
    const bytes = encodeRegionMessage(message, sign('a'));
    expect(bytes.length).toBeLessThanOrEqual(REGION_MESSAGE_BYTES_MAX);
    expect(decodeRegionMessage(bytes, sign('a'))).toEqual(message);
  });

  it('are nothing with another secret, or with any bit or length changed', () => {
    const bytes = encodeRegionMessage({ ...HEAD, entries: [ENTRY] }, sign('a'));
    expect(decodeRegionMessage(bytes, sign('b'))).toBeNull();
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = bytes.slice();
      changed[bit >> 3]! ^= 1 << (bit & 7);
      expect(decodeRegionMessage(changed, sign('a')), `bit ${bit}`).toBeNull();
    }
    for (let length = 0; length < bytes.length; length++) {
      expect(decodeRegionMessage(bytes.subarray(0, length), sign('a'))).toBeNull();
    }
    expect(decodeRegionMessage(new Uint8Array(2_000), sign('a'))).toBeNull();
  });

  it('never throw, whatever comes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1_300 }), (bytes) => {
        expect(decodeRegionMessage(bytes, () => new Uint8Array(16).fill(1))).toBeNull();
      }),
    );
  });
});

describe('RegionPeers', () => {
  const [A, B] = ['10.0.0.2:8302', '10.0.0.3:8302'];
  const head = (name: string, sequence: number, more: object = {}) => ({
    ...{ goodbye: false, epochMs: 1_000, sentMs: 50_000, sequence, from: hashText(name) },
    ...more,
  });

  it('counts whom it heard lately, and keeps the part of who is silent', () => {
    const peers = new RegionPeers([A, B]);
    expect(peers.share(0)).toEqual({ proxies: 3, heard: 1 });
    expect(peers.hear(A, head(A, 1), 0, 50_000)).toBe('ok');
    expect(peers.hear(B, head(B, 1), 100, 50_000)).toBe('ok');
    expect(peers.share(REGION_SILENCE_MS)).toEqual({ proxies: 3, heard: 3 });
    expect(peers.share(REGION_SILENCE_MS + 1)).toEqual({ proxies: 3, heard: 2 });
    expect(peers.list(REGION_SILENCE_MS + 1).map(({ state }) => state)).toEqual(['silent', 'heard']);
  });

  it('does not count who said goodbye, until it is back', () => {
    const peers = new RegionPeers([A, B]);
    peers.hear(A, head(A, 5, { goodbye: true }), 0, 50_000);
    expect(peers.share(0)).toEqual({ proxies: 2, heard: 1 });
    expect(peers.hear(A, head(A, 1, { epochMs: 2_000 }), 10, 50_000)).toBe('ok');
    expect(peers.share(10)).toEqual({ proxies: 3, heard: 2 });
  });

  it.each([
    ['a stranger', 'unknown_sender', '10.9.9.9:1', {}],
    ['who passes on what another one said', 'unknown_sender', B, { from: hashText(A) }],
    ['an old message', 'stale', A, { sentMs: 50_000 - REGION_CLOCK_MS - 1 }],
    ['one of the future', 'stale', A, { sentMs: 50_000 + REGION_CLOCK_MS + 1 }],
    ['one without a time', 'stale', A, { sentMs: Number.NaN }],
    ['one without a start', 'stale', A, { epochMs: Number.POSITIVE_INFINITY }],
    ['one that began in the future', 'stale', A, { epochMs: 50_000 + 2 * REGION_CLOCK_MS + 1 }],
    ['one that came before', 'repeated', A, { sequence: 7 }],
    ['one of an earlier start', 'repeated', A, { epochMs: 999, sequence: 100 }],
  ])('does not believe %s', (_who, verdict, name, more) => {
    const peers = new RegionPeers([A, B]);
    expect(peers.hear(A, head(A, 7), 0, 50_000)).toBe('ok');
    expect(peers.hear(name, head(name, 8, more), 1_000, 50_000)).toBe(verdict);
    expect(peers.share(1_000).heard).toBe(1);
  });
});
