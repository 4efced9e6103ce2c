import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ACTION, DESTINATION_BYTES, redirectProgram } from '../../../../src/io/xdp/bpf-program.js';
import { destinationKeys } from '../../../../src/io/xdp/gate.js';
import { type BpfMap, keyText, REDIRECT, runXdp } from '../../../support/bpf-interpreter.js';
import { type FrameSpec, frame } from '../../../support/ethernet-frame.js';
import { packet } from '../../../support/packet.js';

const FD = { sockets: 11, destinations: 12, dropped: 13 };
const PROGRAM = redirectProgram(FD);
const QUERY = packet({ name: 'www.example.com' });
const LISTEN = [
  { host: '192.0.2.53', port: 53 },
  { host: '2001:db8::35', port: 53 },
];

/** What becomes of a frame: an action, the queue, and how many were counted as dropped. */
function decide(some: Uint8Array, queue = 0, served: readonly number[] = [0, 3]) {
  const keys = [...destinationKeys(LISTEN, []).values()].map(
    (key) => [keyText(key), new Uint8Array(4)] as const,
  );
  const counter = new Uint8Array(8);
  const maps = new Map<number, BpfMap>([
    [FD.sockets, { keyBytes: 4, values: new Map(served.map((index) => [String(index), new Uint8Array(4)])) }],
    [FD.destinations, { keyBytes: DESTINATION_BYTES, values: new Map(keys) }],
    [FD.dropped, { keyBytes: 4, values: new Map([['00000000', counter]]) }],
  ]);
  const result = runXdp({ program: PROGRAM, frame: some, queue, maps });
  return { ...result, dropped: counter[0]! };
}

const v4 = (spec: Partial<FrameSpec> = {}) => frame({ family: 4, payload: QUERY, ...spec });
const v6 = (spec: Partial<FrameSpec> = {}) => frame({ family: 6, payload: QUERY, ...spec });
const PASSED = { action: ACTION.PASS, dropped: 0 };

describe('redirectProgram()', () => {
  it('is as small as a kernel wants it, and jumps forwards to its own instructions only', () => {
    const view = new DataView(PROGRAM.buffer);
    const count = PROGRAM.length / 8;
    expect(count).toBeLessThan(256);
    for (let at = 0; at < count; at++) {
      const code = view.getUint8(at * 8);
      if ((code & 7) !== 5 || code === 0x85 || code === 0x95) continue;
      const offset = view.getInt16(at * 8 + 2, true);
      expect(offset).toBeGreaterThanOrEqual(0);
      expect(at + 1 + offset).toBeLessThan(count);
      // Not into the second half of an instruction of two.
      expect(view.getUint8((at + 1 + offset) * 8)).not.toBe(0);
    }
  });

  it.each<[string, Uint8Array]>([
    ['IPv4', v4()],
    ['IPv6', v6()],
    ['IPv4 not to be fragmented', v4({ over: { 20: 0x40 } })],
    ['padded IPv4', v4({ padding: 8 })],
    ['only a DNS header', v4({ payload: new Uint8Array(12) })],
    ['only a DNS header over IPv6', v6({ payload: new Uint8Array(12) })],
    ['an odd opcode', v4({ payload: packet({ flags: 0x2800 }) })],
    ['a type of service', v4({ over: { 15: 0xb8 } })],
  ])('gives a query to the socket of its queue: %s', (_, some) => {
    expect(decide(some)).toEqual({ action: REDIRECT, socket: 0, dropped: 0 });
    expect(decide(some, 3)).toEqual({ action: REDIRECT, socket: 3, dropped: 0 });
    expect(decide(some, 1)).toEqual(PASSED);
  });

  it.each<[string, Uint8Array]>([
    ['TCP', v4({ over: { 23: 6 } })],
    ['TCP over IPv6', v6({ over: { 20: 6 } })],
    ['ICMP', v4({ over: { 23: 1 } })],
    ['a first fragment', v4({ over: { 20: 0x20 } })],
    ['a later fragment', v4({ over: { 21: 0x05 } })],
    ['the last fragment of a large datagram', v4({ over: { 20: 0x1f, 21: 0xff } })],
    ['IPv4 options', v4({ over: { 14: 0x46 } })],
    ['an IPv4 header that is too short', v4({ over: { 14: 0x44 } })],
    ['IPv6 in a frame for IPv4', v4({ over: { 14: 0x65 } })],
    ['IPv6 fragments', v6({ over: { 20: 44 } })],
    ['IPv6 hop-by-hop options', v6({ over: { 20: 0 } })],
    ['IPv6 destination options', v6({ over: { 20: 60 } })],
    ['a VLAN tag', v4({ over: { 12: 0x81, 13: 0x00 } })],
    ['two VLAN tags', v4({ over: { 12: 0x88, 13: 0xa8 } })],
    ['ARP', v4({ over: { 12: 0x08, 13: 0x06 } })],
    ['another port', v4({ port: 54 })],
    ['another port, swapped', v4({ port: 53 * 256 })],
    ['another port over IPv6', v6({ port: 5353 })],
    ['another address', v4({ over: { 33: 54 } })],
    ['another IPv6 address', v6({ over: { 53: 0x36 } })],
    ['another network of IPv6', v6({ over: { 38: 0x30 } })],
    ['a response to another port', v4({ port: 54, payload: packet({ flags: 0x8000 }) })],
    ['a response that is a fragment', v4({ over: { 21: 1 }, payload: packet({ flags: 0x8000 }) })],
    ['a frame for all', v4({ macs: [new Array(6).fill(255), [2, 0, 0, 0, 0, 2]] })],
    [
      'a frame for a group',
      v6({
        macs: [
          [0x33, 0x33, 0, 0, 0, 1],
          [2, 0, 0, 0, 0, 2],
        ],
      }),
    ],
    ['a frame from a group', v4({ over: { 6: 0x01 } })],
    ['nothing', new Uint8Array(0)],
    ['an Ethernet header', v4().subarray(0, 14)],
    ['IPv4 cut in its UDP header', v4().subarray(0, 41)],
    ['IPv6 cut in its UDP header', v6().subarray(0, 61)],
  ])('leaves to the kernel: %s', (_, some) => {
    expect(decide(some)).toEqual(PASSED);
  });

  it.each<[string, Uint8Array]>([
    ['a response', v4({ payload: packet({ flags: 0x8180 }) })],
    ['a response over IPv6', v6({ payload: packet({ flags: 0x8000 }) })],
    ['eleven bytes', v4({ payload: new Uint8Array(11) })],
    ['eleven bytes over IPv6', v6({ payload: new Uint8Array(11) })],
    ['no payload', v4({ payload: new Uint8Array(0) })],
    ['no payload over IPv6', v6({ payload: new Uint8Array(0) })],
  ])('drops and counts %s', (_, some) => {
    expect(decide(some)).toEqual({ action: ACTION.DROP, dropped: 1 });
    expect(decide(some, 7)).toEqual({ action: ACTION.DROP, dropped: 1 });
  });

  it('reads nothing but the frame and what it wrote, whatever the frame', () => {
    const change = fc.tuple(fc.nat(70), fc.integer({ min: 0, max: 255 }));
    const some = fc.record({
      family: fc.constantFrom(4 as const, 6 as const),
      payload: fc.uint8Array({ maxLength: 40 }),
      over: fc.array(change, { maxLength: 3 }).map((changes) => Object.fromEntries(changes)),
    });
    fc.assert(
      fc.property(some, fc.nat(120), (spec, length) => {
        const { action } = decide(frame(spec).slice(0, length));
        expect([ACTION.PASS, ACTION.DROP, REDIRECT]).toContain(action);
      }),
      { numRuns: 3000 },
    );
  });
});
