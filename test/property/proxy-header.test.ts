import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ANY_HEADER_MAX,
  describeConnection,
  destinationOf,
  readAnyHeader,
  sourceOf,
  writeAnyHeader,
} from '../../src/core/proxy-protocol/header.js';
import { createProxyHeader } from '../../src/core/proxy-protocol/v2.js';

const port = fc.nat(65_535);
const end4 = fc.record({ host: fc.ipV4(), port });
const end6 = fc.record({ host: fc.ipV6(), port });
const connection = fc.oneof(fc.tuple(end4, end4), fc.tuple(end6, end6));
const version = fc.constantFrom('v1' as const, 'v2' as const);
const tlv = fc.record({ type: fc.constantFrom(1, 2, 0xe0), value: fc.uint8Array({ maxLength: 40 }) });

function headerBytes(
  how: 'v1' | 'v2',
  [source, destination]: readonly [{ host: string; port: number }, { host: string; port: number }],
  tlvs: readonly { type: number; value: Uint8Array }[],
): Uint8Array {
  const header = createProxyHeader();
  describeConnection(source, destination, header);
  const into = new Uint8Array(ANY_HEADER_MAX);
  return into.slice(0, writeAnyHeader(how, header, tlvs, into, 0));
}

describe('PROXY headers', () => {
  it('are read as they were written, whatever follows them', () => {
    fc.assert(
      fc.property(
        version,
        connection,
        fc.array(tlv, { maxLength: 3 }),
        fc.uint8Array(),
        (how, ends, tlvs, more) => {
          const bytes = headerBytes(how, ends, tlvs);
          const header = createProxyHeader();
          expect(readAnyHeader(Uint8Array.of(...bytes, ...more), 0, bytes.length + more.length, header)).toBe(
            bytes.length,
          );
          const again = createProxyHeader();
          describeConnection(sourceOf(header)!, destinationOf(header)!, again);
          expect(again).toEqual(header);
          const wanted = createProxyHeader();
          describeConnection(ends[0], ends[1], wanted);
          expect(header).toEqual(wanted);
        },
      ),
    );
  });

  it('ask for more at every prefix', () => {
    fc.assert(
      fc.property(version, connection, fc.array(tlv, { maxLength: 2 }), (how, ends, tlvs) => {
        const bytes = headerBytes(how, ends, tlvs);
        for (let cut = 0; cut < bytes.length; cut++) {
          expect(readAnyHeader(bytes, 0, cut, createProxyHeader())).toBe(0);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('never have a cut decided otherwise than the whole', () => {
    const mutation = fc.array(fc.tuple(fc.nat(140), fc.nat(255)), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(version, connection, mutation, (how, ends, changes) => {
        const bytes = Uint8Array.of(...headerBytes(how, ends, []), 1, 2, 3);
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        const whole = readAnyHeader(bytes, 0, bytes.length, createProxyHeader());
        expect(whole).toBeLessThanOrEqual(bytes.length);
        for (let cut = 0; cut <= bytes.length; cut++) {
          const part = readAnyHeader(bytes, 0, cut, createProxyHeader());
          // A prefix may leave it open, but what it decides stays decided.
          if (part !== 0) expect(part).toBe(whole);
          else if (whole > 0) expect(cut).toBeLessThan(whole);
        }
      }),
    );
  });
});
