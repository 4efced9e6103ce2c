import { describe, expect, it } from 'vitest';
import { QueryRig, readZone, rigOf, zoneText } from '../support/query-rig.js';

const EXTENDED_ERROR = 15;
const rig = rigOf(
  zoneText(
    'example.com',
    `monitors: { tcp: { type: tcp, port: 80 } }
pools:
  a: { monitor: tcp, endpoints: [ { A: 192.0.2.1 } ] }
  b: { monitor: tcp, endpoints: [ { A: 192.0.2.2 } ] }
records:
  www: { type: A, value: 192.0.2.9 }
  many: { type: TXT, values: [ "${'x'.repeat(200)}", "${'y'.repeat(200)}" ] }
  open: { type: A, dynamic: { steering: failover, pools: [ a, b ] } }
  closed: { type: A, dynamic: { steering: failover, pools: [ a, b ] }, fail: closed }
  shares: { type: A, dynamic: { steering: weighted, pools: { a: 1, b: 1 } } }
`,
  ),
);

/** `18 text` of the answer's extended errors. */
function errors(name: string, type: string, from = rig, edns = true): readonly string[] {
  const message = from.ask(name, type, edns ? { edns: true } : {});
  return (message.edns?.options ?? [])
    .filter(({ code }) => code === EXTENDED_ERROR)
    .map(({ data }) => `${(data[0]! << 8) | data[1]!} ${Buffer.from(data.subarray(2)).toString()}`.trim());
}

describe('RFC 8914: extended errors', () => {
  it('has nothing to say of a plain answer', () => {
    expect(errors('www.example.com', 'A')).toEqual([]);
    expect(errors('none.example.com', 'A')).toEqual([]);
  });

  it('names the reason of a refusal', () => {
    expect(errors('www.example.org', 'A')).toEqual(['20']);
    expect(errors('example.com', 'AXFR')).toEqual(['18']);
  });

  it('says that there is no zone yet', () => {
    expect(errors('www.example.com', 'A', new QueryRig([]))).toEqual(['14']);
  });

  it('says that health is not known, and which state holds', () => {
    expect(errors('open.example.com', 'A')).toEqual(['3 health is not known: last state']);
  });

  it('says that everything is down, and what that means', () => {
    rig.set('down', '192.0.2.1', '192.0.2.2');
    expect(errors('open.example.com', 'A')).toEqual(['0 all endpoints are down: failing open']);
    expect(errors('shares.example.com', 'A')).toEqual(['0 all endpoints are down: failing open']);
    expect(errors('closed.example.com', 'A')).toEqual(['0 all endpoints are down']);
  });

  it('says nothing once something is up', () => {
    rig.set('up', '192.0.2.2');
    expect(errors('open.example.com', 'A')).toEqual([]);
  });

  it('says nothing to who sent no EDNS', () => {
    expect(errors('www.example.org', 'A', rig, false)).toEqual([]);
  });

  it('never truncates an answer: the reason is left out where it does not fit', () => {
    const zone = zoneText(
      'example.com',
      `monitors: { tcp: { type: tcp, port: 80 } }
pools: { c: { monitor: tcp, endpoints: [ { CNAME: ${'a'.repeat(60)}.${'b'.repeat(60)}.${'c'.repeat(60)}.example.org. } ] } }
records: { www: { type: CNAME, dynamic: { steering: failover, pools: [ c ] } } }
`,
    );
    const small = new QueryRig([readZone(zone)], { datagramMax: 255 });
    const message = small.ask('www.example.com', 'CNAME', { edns: true });
    expect([message.truncated, message.answers.length, message.edns?.options]).toEqual([false, 1, []]);
  });
});
