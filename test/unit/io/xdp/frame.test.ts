import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Datagram, HEADERS_MAX, readFrame, turnFrame } from '../../../../src/io/xdp/frame.js';
import {
  clientOf,
  FROM,
  type FrameSpec,
  frame,
  received,
  serverOf,
  TO,
} from '../../../support/ethernet-frame.js';

const CHUNK = 2048;
/** Where the kernel leaves frames in their chunk. */
const AT = CHUNK + 256;
const GUARD = 0xa5;
const QUERY = Uint8Array.from({ length: 29 }, (_, i) => i);

interface Memory {
  readonly bytes: Uint8Array;
  readonly words: Uint16Array;
}

/** Three chunks; the frame lies in the middle one. */
function memoryWith(some: Uint8Array): Memory {
  const buffer = new ArrayBuffer(3 * CHUNK);
  const bytes = new Uint8Array(buffer).fill(GUARD);
  bytes.set(some, AT);
  return { bytes, words: new Uint16Array(buffer) };
}

function read(some: Uint8Array): Datagram | undefined {
  const into: Datagram = { family: 4, start: 0, end: 0, sourceAt: 0 };
  return readFrame(memoryWith(some).bytes, AT, AT + some.length, into) ? into : undefined;
}

/** The frame that goes back with this answer. */
function answered(some: Uint8Array, answer: Uint8Array): Uint8Array {
  const { bytes, words } = memoryWith(some);
  const into: Datagram = { family: 4, start: 0, end: 0, sourceAt: 0 };
  expect(readFrame(bytes, AT, AT + some.length, into)).toBe(true);
  bytes.set(answer, into.start);
  const length = turnFrame(bytes, words, AT, into.family, answer.length);
  expect(bytes.subarray(0, AT).every((byte) => byte === GUARD)).toBe(true);
  expect(bytes.subarray(AT + Math.max(length, some.length)).every((byte) => byte === GUARD)).toBe(true);
  return bytes.slice(AT, AT + length);
}

const v4 = (over: FrameSpec['over'] = {}, padding = 0) => frame({ family: 4, payload: QUERY, over, padding });
const v6 = (over: FrameSpec['over'] = {}, padding = 0) => frame({ family: 6, payload: QUERY, over, padding });

describe('readFrame()', () => {
  it.each<[string, Uint8Array, Partial<Datagram>]>([
    ['IPv4', v4(), { family: 4, start: AT + 42, end: AT + 71, sourceAt: AT + 26 }],
    ['IPv6', v6(), { family: 6, start: AT + 62, end: AT + 91, sourceAt: AT + 22 }],
    ['padded IPv4', v4({}, 9), { start: AT + 42, end: AT + 71 }],
    ['padded IPv6', v6({}, 9), { start: AT + 62, end: AT + 91 }],
    ['a datagram that ends before its IPv4 packet', v4({ 39: 20 }), { start: AT + 42, end: AT + 54 }],
    ['no payload', frame({ family: 4, payload: new Uint8Array(0) }), { start: AT + 42, end: AT + 42 }],
    ['port 256', frame({ family: 4, payload: QUERY, sourcePort: 256 }), { family: 4 }],
    ['a client behind NAT64', frame({ family: 6, payload: QUERY, over: { 22: 0, 23: 0x64 } }), { family: 6 }],
  ])('finds the datagram: %s', (_, some, expected) => {
    expect(read(some)).toMatchObject(expected);
  });

  it.each<[string, Uint8Array]>([
    ['nothing', new Uint8Array(0)],
    ['an Ethernet header', v4().subarray(0, 14)],
    ['IPv4 cut in its UDP header', v4().subarray(0, 41)],
    ['IPv6 cut in its UDP header', v6().subarray(0, 61)],
    ['IPv4 cut in its payload', v4().subarray(0, 70)],
    ['IPv6 cut in its payload', v6().subarray(0, 90)],
    ['an IPv4 length beyond the frame', v4({ 17: 58 })],
    ['an IPv4 length of 0', v4({ 16: 0, 17: 0 })],
    ['an IPv6 length beyond the frame', v6({ 19: 38 })],
    ['an IPv6 length of 0', v6({ 19: 0 })],
    ['a UDP length beyond IPv4', v4({ 39: 38 }, 9)],
    ['a UDP length beyond IPv6', v6({ 59: 38 }, 9)],
    ['a UDP length of 7', v4({ 39: 7 })],
    ['a UDP length of 0', v6({ 59: 0 })],
    ['source port 0', frame({ family: 4, payload: QUERY, sourcePort: 0 })],
    ['source port 0, IPv6', frame({ family: 6, payload: QUERY, sourcePort: 0 })],
    ['source 0.0.2.1', v4({ 26: 0 })],
    ['source 127.0.2.1', v4({ 26: 127 })],
    ['source 224.0.2.1', v4({ 26: 224 })],
    ['source 255.255.255.255', v4({ 26: 255, 27: 255, 28: 255, 29: 255 })],
    ['source ::1', v6({ 22: 0, 23: 0, 24: 0, 25: 0 })],
    ['source ff01:db8::1', v6({ 22: 0xff })],
  ])('refuses %s', (_, some) => {
    expect(read(some)).toBeUndefined();
  });

  it('never throws or looks beyond the frame, whatever is in it', () => {
    const spec = fc.record({
      family: fc.constantFrom(4 as const, 6 as const),
      payload: fc.uint8Array({ maxLength: 64 }),
      padding: fc.nat(12),
    });
    const changes = fc.array(fc.tuple(fc.nat(100), fc.integer({ min: 0, max: 255 })), { maxLength: 4 });
    fc.assert(
      fc.property(spec, changes, fc.nat(140), (what, over, length) => {
        const some = frame({ ...what, over: Object.fromEntries(over) }).slice(0, length);
        const found = read(some);
        if (!found) return;
        expect(found.start).toBeGreaterThanOrEqual(AT + 42);
        expect(found.start).toBeLessThanOrEqual(AT + HEADERS_MAX);
        expect(found.end).toBeGreaterThanOrEqual(found.start);
        expect(found.end).toBeLessThanOrEqual(AT + some.length);
      }),
      { numRuns: 3000 },
    );
  });
});

describe('turnFrame()', () => {
  const word = fc.integer({ min: 0, max: 0xffff });
  const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

  it.each([4, 6] as const)('makes an IPv%d frame that its sender takes, whatever the answer', (family) => {
    const size = family === 4 ? 4 : 16;
    const some = fc.record({
      source: bytes(size).filter(([first]) => first! > 0 && first! < 127),
      destination: bytes(size),
      macs: fc.tuple(bytes(6), bytes(6)),
      sourcePort: word.filter((port) => port > 0),
      port: word,
      query: fc.uint8Array({ maxLength: 512 }),
      answer: fc.uint8Array({ minLength: 12, maxLength: 1232 }),
      padding: fc.nat(20),
      hops: fc.integer({ min: 0, max: 255 }),
    });
    fc.assert(
      fc.property(some, ({ macs, query, answer, hops, ...rest }) => {
        const plain = { ...rest, source: [...rest.source], destination: [...rest.destination] };
        const [to, from] = [[...macs[0]], [...macs[1]]];
        // Type of service and identification, or class and flow label, come as they like.
        const over = family === 4 ? { 15: hops, 18: hops, 22: hops } : { 15: hops & 15, 17: hops, 21: hops };
        const back = answered(frame({ family, payload: query, macs: [to, from], ...plain, over }), answer);
        expect(received(back)).toEqual({
          to: from,
          from: to,
          family,
          source: plain.destination,
          destination: plain.source,
          sourcePort: plain.port,
          port: plain.sourcePort,
          hops: 64,
          payload: answer,
        });
      }),
      { numRuns: 500 },
    );
  });

  it.each([4, 6] as const)('says 0xffff where the checksum over IPv%d is 0', (family) => {
    // The last word of the answer makes the sum what it has to be.
    const first = answered(frame({ family, payload: QUERY }), new Uint8Array(14));
    const udp = family === 4 ? 34 : 54;
    const answer = new Uint8Array(14);
    answer.set(first.subarray(udp + 6, udp + 8), 12);
    const back = answered(frame({ family, payload: QUERY }), answer);
    expect([...back.subarray(udp + 6, udp + 8)]).toEqual([0xff, 0xff]);
    expect(received(back).payload).toEqual(answer);
  });

  it('takes the largest answer of all bytes set without losing a carry', () => {
    const answer = new Uint8Array(3777).fill(0xff);
    const buffer = new ArrayBuffer(4096);
    const memory = new Uint8Array(buffer);
    memory.set(frame({ family: 6, payload: QUERY }), 256);
    memory.set(answer, 256 + 62);
    const length = turnFrame(memory, new Uint16Array(buffer), 256, 6, answer.length);
    expect(received(memory.slice(256, 256 + length))).toMatchObject({
      to: FROM,
      from: TO,
      source: serverOf(6),
      destination: clientOf(6),
      payload: answer,
    });
  });
});
