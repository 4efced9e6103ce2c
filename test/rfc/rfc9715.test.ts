import { describe, expect, it } from 'vitest';
import { rigOf, zoneText } from '../support/query-rig.js';

/** 31 strings of 34 bytes of record head and text: a little below and above each limit. */
const texts = (count: number) =>
  Array.from({ length: count }, (_, i) => `"${`${i}`.padEnd(20, 'x')}"`).join(', ');
const rig = rigOf(
  zoneText(
    'example.com',
    `records:\n${Array.from({ length: 45 }, (_, i) => `  t${i + 1}: { type: TXT, values: [${texts(i + 1)}] }`).join('\n')}\n`,
  ),
);

describe('RFC 9715: answers by UDP are never fragmented', () => {
  it.each([1232, 1400, 4096, 65_535])('a client that takes %i bytes gets at most 1232 (§3.1)', (payload) => {
    let whole = 0;
    for (let count = 1; count <= 45; count++) {
      const message = rig.ask(`t${count}.example.com`, 'TXT', { payload });
      const size = 12 + (`t${count}`.length + 1 + 13) + 4 + count * (12 + 21) + 11;
      expect([count, message.truncated]).toEqual([count, size > 1232]);
      if (!message.truncated) whole = Math.max(whole, size);
    }
    expect(whole).toBeGreaterThan(1180);
  });

  it('a smaller limit of the client holds', () => {
    for (const payload of [512, 700, 1000]) {
      for (let count = 1; count <= 45; count++) {
        const message = rig.ask(`t${count}.example.com`, 'TXT', { payload });
        const size = 12 + (`t${count}`.length + 1 + 13) + 4 + count * (12 + 21) + 11;
        expect([payload, count, message.truncated]).toEqual([payload, count, size > payload]);
      }
    }
  });

  it('1232 is announced in OPT (§3.1)', () => {
    expect(rig.ask('t1.example.com', 'TXT', { payload: 4096 }).edns?.payloadSize).toBe(1232);
  });
});
