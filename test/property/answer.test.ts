import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RCODE, TYPE } from '../../src/core/dns/iana.js';
import type { Zone } from '../../src/core/zone/model.js';
import { packet, wireOf } from '../support/packet.js';
import { QueryRig, readZone, zoneText } from '../support/query-rig.js';

const ORIGIN = 'example.';
const EMPTY = readZone(zoneText('example', ''));

/** Few labels, so that names share their ends; one looks like another with a dot in it. */
const label = fc.constantFrom('a', 'b', 'ab', 'a\\.b', '*', '*x', '\\000', 'A'.repeat(63).toLowerCase());
const nameOf = (labels: readonly string[]) => [...labels, ORIGIN].join('.');
const relative = fc
  .array(label, { minLength: 1, maxLength: 4 })
  // Four of the long labels would be longer than a name may be (RFC 1035 §3.1).
  .filter((labels) => labels.join('.').length + ORIGIN.length < 250);

/** A zone whose names each have a TXT record that says the name. */
function zoneWith(names: readonly (readonly string[])[]): Zone {
  const owners = [...new Set(names.map(nameOf))];
  const rrsets = owners.map((name, i) => ({
    kind: 'static' as const,
    name,
    type: TYPE.TXT,
    ttl: 60,
    rdata: [Uint8Array.of(2, i >> 8, i & 0xff)],
  }));
  return { ...EMPTY, rrsets: [...EMPTY.rrsets, ...rrsets] };
}

/** RFC 1034 §4.3.2 with RFC 4592 §3.3.1, in words: the owner whose records answer, or what is wrong. */
function expectedOwner(owners: ReadonlySet<string>, asked: readonly string[]): string {
  const exists = (labels: readonly string[]) => {
    const name = nameOf(labels);
    return labels.length === 0 || [...owners].some((owner) => owner === name || endsWithLabels(owner, name));
  };
  if (exists(asked)) return owners.has(nameOf(asked)) ? nameOf(asked) : 'NODATA';
  let encloser = asked.slice(1);
  while (!exists(encloser)) encloser = encloser.slice(1);
  const wildcard = ['*', ...encloser];
  if (owners.has(nameOf(wildcard))) return nameOf(wildcard);
  return exists(wildcard) ? 'NODATA' : 'NXDOMAIN';
}

/** Whether `name` is above `owner`: in wire form an escaped dot can't be mistaken. */
function endsWithLabels(owner: string, name: string): boolean {
  const wires = [wireOf(owner), wireOf(name)] as const;
  for (let at = 0; at < wires[0].length; at += 1 + wires[0][at]!) {
    if (Buffer.compare(wires[0].subarray(at), wires[1]) === 0) return true;
  }
  return false;
}

describe('a zone of random names', () => {
  it('leads to the owner that the RFCs say', () => {
    fc.assert(
      fc.property(
        fc.array(relative, { minLength: 1, maxLength: 12 }),
        fc.array(relative, { minLength: 1, maxLength: 20 }),
        (names, questions) => {
          const zone = zoneWith(names);
          const owners = new Set(zone.rrsets.map(({ name }) => name));
          const rig = new QueryRig([zone]);
          for (const asked of questions) {
            const message = rig.send(packet({ name: nameOf(asked), type: TYPE.TXT }))!;
            const value = message.answers[0]?.rdata;
            const owner = zone.rrsets.find(
              (rrset) =>
                value !== undefined && rrset.kind === 'static' && rdataText(rrset.rdata[0]!) === value,
            );
            const found = owner?.name ?? (message.rcode === RCODE.NXDOMAIN ? 'NXDOMAIN' : 'NODATA');
            expect([nameOf(asked), found]).toEqual([nameOf(asked), expectedOwner(owners, asked)]);
          }
        },
      ),
      { numRuns: 100 },
    );
  });
});

function rdataText([length, high, low]: Uint8Array): string | undefined {
  const character = (byte: number) =>
    byte === 0x22 || byte === 0x5c
      ? `\\${String.fromCharCode(byte)}`
      : byte >= 0x20 && byte < 0x7f
        ? String.fromCharCode(byte)
        : `\\${String(byte).padStart(3, '0')}`;
  return length === 2 ? `"${character(high!)}${character(low!)}"` : undefined;
}
