import { describe, expect, it } from 'vitest';
import { freshnessSeconds } from '../../../../src/core/dns/freshness.js';
import { u16, wireOf } from '../../../support/packet.js';

const NAME = [...wireOf('www.example.com')];
const POINTER = [0xc0, 12];
const u32 = (value: number) => [...u16(value >>> 16), ...u16(value & 0xffff)];
const record = (owner: readonly number[], type: number, ttl: number, rdata: readonly number[]) => [
  ...[...owner, ...u16(type), 0, 1, ...u32(ttl)],
  ...[...u16(rdata.length), ...rdata],
];
const a = (ttl: number) => record(POINTER, 1, ttl, [192, 0, 2, 1]);
const soa = (ttl: number, minimum: number) =>
  record(POINTER, 6, ttl, [
    ...[1, 0x6e, 0xc0, 12],
    ...[1, 0x68, 0xc0, 12],
    ...[1, 2, 3, 4].flatMap(u32),
    ...u32(minimum),
  ]);

function response(
  answers: readonly (readonly number[])[],
  authorities: readonly (readonly number[])[] = [],
  additionals: readonly (readonly number[])[] = [],
): Uint8Array {
  const counts = [1, answers.length, authorities.length, additionals.length].flatMap(u16);
  return Uint8Array.from([
    ...[0, 0, 0x84, 0, ...counts],
    ...[...NAME, 0, 1, 0, 1],
    ...[answers, authorities, additionals].flat(2),
  ]);
}

const seconds = (message: Uint8Array) => freshnessSeconds(message, 0, message.length);

describe('freshnessSeconds()', () => {
  it.each<[string, number, Uint8Array]>([
    ['the TTL of an answer', 77, response([a(77)])],
    ['the smallest of several', 20, response([a(300), a(20), a(60)])],
    ['nothing but answers, where there are some', 300, response([a(300)], [soa(10, 5)], [a(1)])],
    ['0 for a TTL of 0', 0, response([a(300), a(0)])],
    ['the minimum of the SOA, without answers', 60, response([], [soa(900, 60)])],
    ['the TTL of the SOA, where that is less', 30, response([], [soa(30, 60)])],
    ['0 without answers and SOA, as a referral', 0, response([], [record(POINTER, 2, 300, [0])])],
    ['0 for an empty message', 0, response([])],
    ['0 for a TTL with the highest bit (RFC 2181 §8)', 0, response([a(0x8000_0000)])],
    ['the largest TTL as it is', 0x7fff_ffff, response([a(0x7fff_ffff)])],
  ])('gives %s', (_, expected, message) => {
    expect(seconds(message)).toBe(expected);
  });

  it('reads names in full, and of the root', () => {
    expect(seconds(response([record(NAME, 1, 9, [1, 2, 3, 4]), record([0], 1, 8, [1, 2, 3, 4])]))).toBe(8);
  });

  it('gives 0 for a message that is cut anywhere', () => {
    for (const whole of [response([a(300), a(20)]), response([], [soa(900, 60)])]) {
      for (let length = 0; length < whole.length; length++) {
        expect(seconds(whole.subarray(0, length))).toBe(0);
      }
      expect(seconds(whole)).toBeGreaterThan(0);
    }
  });

  it('gives a whole number for any bytes, and reads none outside', () => {
    const whole = response([a(300)], [soa(900, 60)]);
    let state = 7;
    const random = () => {
      state = Math.imul(state, 1_103_515_245) + 12_345;
      return (state >>> 16) & 0xff;
    };
    for (let round = 0; round < 5000; round++) {
      const bytes = Uint8Array.from(whole);
      for (let i = 0; i < 4; i++) bytes[random() % bytes.length] = random();
      const found = seconds(bytes);
      expect(Number.isInteger(found) && found >= 0).toBe(true);
    }
  });

  it('looks at its part of an array only', () => {
    const message = response([a(77)]);
    const around = new Uint8Array(message.length + 20).fill(0xff);
    around.set(message, 9);
    expect(freshnessSeconds(around, 9, 9 + message.length)).toBe(77);
    expect(freshnessSeconds(around, 9, 9 + message.length - 1)).toBe(0);
  });
});
