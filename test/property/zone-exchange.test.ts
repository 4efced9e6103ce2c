import fc from 'fast-check';
import { expect, it } from 'vitest';
import { TYPE } from '../../src/core/dns/iana.js';
import { formatName } from '../../src/core/dns/name.js';
import { rdataCodec } from '../../src/core/dns/rdata/table.js';
import { formatMasterFile } from '../../src/core/zone/master/format.js';
import type { StaticRRset, Zone } from '../../src/core/zone/model.js';
import { loadMasterFile } from '../../src/sources/master-zone.js';
import { loadZoneFile } from '../../src/sources/zone-file.js';
import { formatZoneYaml } from '../../src/sources/zone-yaml.js';

const ORIGIN = 'example.com.';
const bytes = (maxLength: number, minLength = 0) => fc.uint8Array({ minLength, maxLength });
const join = (...parts: readonly Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));
const string = bytes(255).map((text) => join(Uint8Array.of(text.length), text));
const label = fc.oneof(
  fc.stringMatching(/^[a-z0-9_-]{1,8}$/),
  fc.constantFrom('*', '@', '$', 'a.b', '"', '\\'),
);
const wire = (labels: readonly string[]) =>
  join(...labels.flatMap((text) => [Uint8Array.of(text.length), Buffer.from(text)]), Uint8Array.of(0));
const target = fc.array(label, { maxLength: 4 }).map(wire);
const param = fc.record({ key: fc.integer({ min: 8, max: 2000 }), value: bytes(20) });

const RDATA: Readonly<Record<number, fc.Arbitrary<Uint8Array>>> = {
  [TYPE.A]: bytes(4, 4),
  [TYPE.AAAA]: bytes(16, 16),
  [TYPE.PTR]: target,
  [TYPE.MX]: fc.tuple(bytes(2, 2), target).map((parts) => join(...parts)),
  [TYPE.SRV]: fc.tuple(bytes(6, 6), target).map((parts) => join(...parts)),
  [TYPE.TXT]: fc.array(string, { minLength: 1, maxLength: 4 }).map((parts) => join(...parts)),
  [TYPE.CAA]: bytes(40).map((text) => join(Uint8Array.of(0, 5), Buffer.from('issue'), text)),
  [TYPE.NAPTR]: fc.tuple(bytes(4, 4), string, string, string, target).map((parts) => join(...parts)),
  [TYPE.TLSA]: bytes(40, 4),
  [TYPE.SSHFP]: bytes(40, 3),
  [TYPE.HTTPS]: fc
    .uniqueArray(param, { maxLength: 4, selector: ({ key }) => key })
    .map((params) =>
      join(
        Uint8Array.of(0, 1, 0),
        ...params
          .toSorted((a, b) => a.key - b.key)
          .map(({ key, value }) => join(Uint8Array.of(key >> 8, key & 255, 0, value.length), value)),
      ),
    ),
  65280: bytes(40),
};

const rrset = fc
  .record({
    labels: fc.array(label, { maxLength: 3 }),
    type: fc.constantFrom(...Object.keys(RDATA).map(Number)),
    ttl: fc.integer({ min: 0, max: 604_800 }),
  })
  .chain(({ labels, type, ttl }) =>
    fc
      .uniqueArray(RDATA[type]!, {
        minLength: 1,
        maxLength: 3,
        selector: (value) => Buffer.from(value).toString('hex'),
      })
      .map((rdata): StaticRRset => {
        const name = formatName(wire([...labels, 'example', 'com'])).toLowerCase();
        return { kind: 'static', name, type, ttl, rdata };
      }),
  );

const zone = fc
  .uniqueArray(rrset, { maxLength: 12, selector: ({ name, type }) => `${name} ${type}` })
  .map((rrsets): Zone => {
    const ns = rdataCodec(TYPE.NS).parse('ns.example.net.') as Uint8Array;
    return {
      origin: ORIGIN,
      soa: {
        mname: 'ns.example.net.',
        rname: 'host\\.master.example.net.',
        serial: 7,
        refresh: 3600,
        retry: 600,
        expire: 86_400,
        minimum: 60,
        ttl: 900,
      },
      regions: new Map(),
      monitors: new Map(),
      pools: new Map(),
      rrsets: [{ kind: 'static', name: ORIGIN, type: TYPE.NS, ttl: 60, rdata: [ns] }, ...rrsets],
    };
  });

/** Names, types, TTLs and rdata; a file may list them in another order. */
function records({ rrsets }: Zone): readonly string[] {
  return rrsets
    .flatMap((one) => (one.kind === 'static' ? [one] : []))
    .map(({ name, type, ttl, rdata }) => {
      const values = rdata.map((value) => Buffer.from(value).toString('hex')).sort();
      return `${name} ${type} ${ttl} ${values.join(' ')}`;
    })
    .sort();
}

it('a zone is the same again behind a master file, and behind a zone file', () => {
  fc.assert(
    fc.property(zone, (before) => {
      const text = formatMasterFile(before);
      const master = loadMasterFile('example.com.zone', Buffer.from(text));
      if ('problems' in master) throw new Error(`${text}\n${JSON.stringify(master.problems)}`);
      expect(records(master.zone)).toEqual(records(before));
      expect(master.zone.soa).toEqual(before.soa);

      const yaml = formatZoneYaml(before);
      const file = loadZoneFile('example.com.yaml', yaml);
      if ('problems' in file) throw new Error(`${yaml}\n${JSON.stringify(file.problems)}`);
      expect(records(file.zone)).toEqual(records(before));
      expect({ ...file.zone.soa, serial: 7 }).toEqual(before.soa);
    }),
  );
});
