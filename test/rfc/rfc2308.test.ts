import { describe, expect, it } from 'vitest';
import { rigOf } from '../support/query-rig.js';

function zone(ttl: number, minimum: number) {
  return rigOf(
    `zone: example.com\nnameservers: { ns1: { A: 192.0.2.53 } }\nsoa: { ttl: ${ttl}, minimum: ${minimum} }\nrecords:\n  a.b: { type: A, value: 192.0.2.1 }\n  alias: { type: CNAME, value: none.example.com. }\n`,
  );
}

describe('RFC 2308: negative answers', () => {
  it.each([
    ['NXDOMAIN', 'none.example.com', 3],
    ['NODATA', 'b.example.com', 0],
    ['NXDOMAIN behind an alias', 'alias.example.com', 3],
  ])('%s carries the SOA in authority, owned by the apex (§2, §3)', (_what, name, rcode) => {
    const message = zone(900, 60).ask(name, 'A');
    expect(message.rcode).toBe(rcode);
    expect(message.authorities.map((record) => [record.name, record.type])).toEqual([['example.com.', 6]]);
  });

  it.each([
    [900, 60, 60],
    [60, 900, 60],
    [0, 60, 0],
  ])('with SOA TTL %i and minimum %i is cached for %i (§5)', (ttl, minimum, expected) => {
    const rig = zone(ttl, minimum);
    expect(rig.ask('none.example.com', 'A').authorities[0]?.ttl).toBe(expected);
    expect(rig.ask('example.com', 'SOA').answers[0]?.ttl).toBe(ttl);
  });
});
