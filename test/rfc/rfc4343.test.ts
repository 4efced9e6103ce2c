import { describe, expect, it } from 'vitest';
import { packet } from '../support/packet.js';
import { rigOf, zoneText } from '../support/query-rig.js';

const rig = rigOf(
  zoneText(
    'Example.COM',
    'records:\n  MiXeD: { type: A, value: 192.0.2.1 }\n  "*.Wild": { type: A, value: 192.0.2.2 }\n  "a\\\\[b": { type: A, value: 192.0.2.3 }\n  "x\\\\192": { type: A, value: 192.0.2.4 }\n',
  ),
);

describe('RFC 4343: case', () => {
  it.each(['mixed.example.com', 'MIXED.EXAMPLE.COM', 'mIxEd.eXaMpLe.CoM'])('%s is found (§3)', (name) => {
    expect(rig.values(name, 'A')).toEqual(['192.0.2.1']);
    expect(rig.values(name.replace(/^mixed/i, 'ANY.wILD'), 'A')).toEqual(['192.0.2.2']);
  });

  it('the question comes back as it was asked, byte for byte (§4.1)', () => {
    const query = packet({ name: 'mIxEd.eXaMpLe.CoM' });
    expect(rig.raw(query)!.slice(12, query.length)).toEqual(query.slice(12));
  });

  it.each(['a\\{b.example.com', 'x\\224.example.com'])(
    'only A to Z fold: %s is another name (§2)',
    (name) => {
      expect(rig.ask(name, 'A').rcode).toBe(3);
    },
  );

  it.each(['a\\[b.example.com', 'x\\192.example.com'])('%s is its own name', (name) => {
    expect(rig.ask(name, 'A').answers).toHaveLength(1);
  });
});
