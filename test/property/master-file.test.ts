import fc from 'fast-check';
import { expect, it } from 'vitest';
import { nameLength } from '../../src/core/dns/name.js';
import { RDATA_BYTES_MAX } from '../../src/core/dns/rdata/codec.js';
import { parseMasterFile } from '../../src/core/zone/master/parser.js';

const word = fc.constantFrom(
  '$ORIGIN',
  '$TTL',
  '$INCLUDE',
  '$GENERATE',
  '1-3',
  '1-9/4',
  '$',
  '@',
  '.',
  'a',
  'a.b.',
  '60',
  '1h',
  'IN',
  'A',
  'AAAA',
  'TXT',
  'SOA',
  'HTTPS',
  'TYPE9',
  'DS',
  'NAPTR',
  '192.0.2.1',
  '::1',
  '\\#',
  '4',
  'c0000201',
  '(',
  ')',
  '"',
  '"x"',
  ';',
  '\n',
  '\n ',
  '\\',
  '\\0',
  '\\255',
  'alpn=',
  '1',
);
const input = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.array(word, { maxLength: 60 }).map((words) => new TextEncoder().encode(words.join(' '))),
);

it('parseMasterFile() takes any bytes, and its records have a right owner and a bounded rdata', () => {
  fc.assert(
    fc.property(input, (bytes) => {
      parseMasterFile(
        bytes,
        { file: 'z', origin: Uint8Array.of(1, 0x7a, 0), include: () => ({ file: 'i', bytes }) },
        {
          record(owner, _type, ttl, rdata) {
            expect(nameLength(owner)).toBe(owner.length);
            expect(rdata.length).toBeLessThanOrEqual(RDATA_BYTES_MAX);
            expect(ttl).toBeGreaterThanOrEqual(0);
          },
          unsupported() {},
          problem: ({ line, column }) => expect(Math.min(line, column)).toBeGreaterThanOrEqual(1),
        },
      );
    }),
  );
});
