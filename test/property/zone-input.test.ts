import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TYPE } from '../../src/core/dns/iana.js';
import { formatName, isNameError, nameLength, parseName } from '../../src/core/dns/name.js';
import { formatIPv4, formatIPv6, parseIPv4, parseIPv6 } from '../../src/core/dns/rdata/address.js';
import { decodeBase64, encodeBase64 } from '../../src/core/dns/rdata/base64.js';
import { isRdataError } from '../../src/core/dns/rdata/codec.js';
import { rdataCodec, rdataText } from '../../src/core/dns/rdata/table.js';
import { loadZoneFile } from '../../src/sources/zone-file.js';

const label = fc.uint8Array({ minLength: 1, maxLength: 40 });
const wireName = fc
  .array(label, { maxLength: 6 })
  .map((labels) => Uint8Array.from([...labels.flatMap((bytes) => [bytes.length, ...bytes]), 0]));
const type = fc.oneof(fc.constantFrom(...Object.values(TYPE)), fc.integer({ min: 0, max: 65535 }));

describe('names', () => {
  it('survive text and back', () => {
    fc.assert(
      fc.property(wireName, (wire) => {
        expect(parseName(formatName(wire))).toEqual(wire);
      }),
    );
  });

  it('are valid wire form whenever a text is taken', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        const wire = parseName(text, Uint8Array.of(1, 0x61, 0));
        if (!isNameError(wire)) expect(nameLength(wire)).toBe(wire.length);
      }),
    );
  });

  it('of any bytes are read without an exception', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 0, max: 310 }), (bytes, offset) => {
        formatName(bytes, offset);
        expect(nameLength(bytes, offset)).toBeLessThanOrEqual(255);
      }),
    );
  });
});

describe('addresses and base64', () => {
  it('survive text and back', () => {
    const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
    const returns = (format: (data: Uint8Array) => string, parse: (text: string) => unknown) => {
      return (data: Uint8Array) => {
        expect(parse(format(data))).toEqual(data);
      };
    };
    fc.assert(
      fc.property(
        bytes(4),
        returns((data) => formatIPv4(data), parseIPv4),
      ),
    );
    fc.assert(
      fc.property(
        bytes(16),
        returns((data) => formatIPv6(data), parseIPv6),
      ),
    );
    fc.assert(fc.property(fc.uint8Array(), returns(encodeBase64, decodeBase64)));
    fc.assert(
      fc.property(
        fc.uint8Array(),
        returns(encodeBase64, (text) => Uint8Array.from(Buffer.from(text, 'base64'))),
      ),
    );
  });
});

describe('rdata', () => {
  it('of any bytes has a text', () => {
    fc.assert(
      fc.property(type, fc.uint8Array({ maxLength: 200 }), (number, wire) => {
        expect(rdataText(number, wire).length).toBeGreaterThan(0);
      }),
    );
  });

  it('of any value is bytes or an error', () => {
    fc.assert(
      fc.property(type, fc.anything(), (number, value) => {
        const parsed = rdataCodec(number).parse(value);
        expect(parsed instanceof Uint8Array || isRdataError(parsed)).toBe(true);
      }),
    );
  });
});

describe('loadZoneFile()', () => {
  const words =
    'zone ttl nameservers soa records pools endpoints A AAAA type values dynamic rules pool'.split(' ');
  const marks = [
    ': ',
    '\n',
    '\n  ',
    '- ',
    '[',
    ']',
    '{',
    '}',
    ', ',
    '&a ',
    '*a',
    '"',
    "'",
    '#',
    '|',
    '<<',
    '? ',
  ];
  const soup = fc
    .array(fc.oneof(fc.constantFrom(...words, ...marks), fc.string({ maxLength: 4 })), { maxLength: 60 })
    .map((parts) => parts.join(''));

  it('never throws, whatever the text', () => {
    fc.assert(
      fc.property(fc.oneof(soup, fc.string({ unit: 'binary', maxLength: 200 })), (text) => {
        const result = loadZoneFile('example.com.yaml', text);
        if ('problems' in result) expect(result.problems.length).toBeGreaterThan(0);
      }),
    );
  });

  it('never throws, whatever stands where a zone has its parts', () => {
    const part = fc.oneof(fc.jsonValue({ maxDepth: 3 }), fc.constant(undefined));
    const zone = fc.record({
      zone: fc.oneof(fc.constant('example.com'), part),
      ...{ ttl: part, nameservers: part, soa: part, regions: part, monitors: part },
      pools: fc.oneof(part, fc.dictionary(fc.constantFrom('eu', 'us'), part)),
      records: fc.oneof(
        part,
        fc.dictionary(
          fc.constantFrom('', 'www', '__proto__', 'constructor'),
          fc.record({
            type: fc.oneof(fc.constantFrom('A', 'MX', 'SVCB', ['A', 'AAAA']), part),
            values: part,
            dynamic: fc.oneof(fc.record({ rules: part, pools: part, steering: part }), part),
            octodns: fc.oneof(fc.record({ healthcheck: part }), part),
          }),
        ),
      ),
    });
    fc.assert(fc.property(zone, (value) => void loadZoneFile('example.com.yaml', JSON.stringify(value))));
  });
});
