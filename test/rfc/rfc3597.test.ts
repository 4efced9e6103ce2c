import { describe, expect, it } from 'vitest';
import { packet } from '../support/packet.js';
import { lines, rigOf, zoneText } from '../support/query-rig.js';

const rig = rigOf(
  zoneText(
    'example.com',
    // The second looks like a compressed name, which only types of RFC 1035 may hold.
    'records:\n  x: [{ type: TYPE65280, values: ["\\\\# 3 00ff10", "\\\\# 2 c00c"] }, { type: SRV, value: { priority: 0, weight: 5, port: 53, target: www.example.com. } }]\n',
  ),
);

describe('RFC 3597: unknown types', () => {
  it('are served as the bytes they are (§3)', () => {
    expect(lines(rig.ask('x.example.com', 65280))).toEqual([
      'NOERROR aa',
      'answer x.example.com. 300 TYPE65280 \\# 3 00ff10',
      'answer x.example.com. 300 TYPE65280 \\# 2 c00c',
    ]);
  });

  it('that nobody has are NODATA', () => {
    expect(lines(rig.ask('x.example.com', 65281))[0]).toBe('NOERROR aa');
    expect(rig.ask('x.example.com', 65281).answers).toEqual([]);
  });

  it('and those defined later have no compressed names in their rdata (§4)', () => {
    const reply = rig.raw(packet({ name: 'x.example.com', type: 33 }))!;
    const target = [3, 119, 119, 119, 7, 101, 120, 97, 109, 112, 108, 101, 3, 99, 111, 109, 0];
    expect([...reply.subarray(-target.length)]).toEqual(target);
  });
});
