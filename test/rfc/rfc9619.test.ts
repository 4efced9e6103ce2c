import { describe, expect, it } from 'vitest';
import { packet, wireOf } from '../support/packet.js';
import { rigOf, zoneText } from '../support/query-rig.js';

const rig = rigOf(zoneText('example.com', 'records:\n  www: { type: A, value: 192.0.2.1 }\n'));
const second = [...wireOf('www.example.com'), 0, 1, 0, 1];

describe('RFC 9619: a query has one question', () => {
  it.each([
    [0, []],
    [2, second],
    [2, []],
    [256, []],
    [257, []],
    [0xffff, second],
  ])('QDCOUNT %i is FORMERR', (count, trailer) => {
    const message = rig.send(packet({ name: 'www.example.com', counts: [count], trailer }))!;
    expect([message.rcode, message.answers.length, message.question]).toEqual([1, 0, undefined]);
  });

  it('no question at all, and nothing else, is FORMERR', () => {
    expect(rig.send(packet({ counts: [0] }).slice(0, 12))?.rcode).toBe(1);
  });

  it('QDCOUNT 1 is answered', () => {
    expect(rig.send(packet({ name: 'www.example.com' }))?.rcode).toBe(0);
  });
});
