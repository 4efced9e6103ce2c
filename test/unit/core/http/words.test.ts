import { describe, expect, it } from 'vitest';
import { copyBytes, copyText, FIELD_VALUE } from '../../../../src/core/http/ascii.js';
import { hashWords, sameWords, skipValue } from '../../../../src/core/http/words.js';

/** Each byte another one than its neighbours. */
const SOURCE = Uint8Array.from({ length: 400 }, (_, i) => (i * 7 + 1) & 255);

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

describe('copyBytes() and copyText()', () => {
  it('copy ranges of any length and place, and nothing beside them', () => {
    for (let length = 0; length < 200; length++) {
      for (const start of [0, 1, 5]) {
        for (const at of [0, 3]) {
          const wanted = new Uint8Array(256).fill(9);
          wanted.set(SOURCE.subarray(start, start + length), at);
          const out = new Uint8Array(256).fill(9);
          expect(copyBytes(out, at, SOURCE, start, start + length)).toBe(at + length);
          expect(out).toEqual(wanted);
          const text = new Uint8Array(256).fill(9);
          expect(copyText(text, at, SOURCE.slice(start, start + length))).toBe(at + length);
          expect(text).toEqual(wanted);
        }
      }
    }
  });

  it('read and write arrays that lie inside of others', () => {
    const memory = new Uint8Array(100);
    memory.set(SOURCE.subarray(0, 40), 13);
    const out = new Uint8Array(100);
    expect(copyBytes(out.subarray(7), 2, memory.subarray(13, 53), 1, 21)).toBe(22);
    expect(out.subarray(9, 29)).toEqual(SOURCE.subarray(1, 21));
    expect(out[8]).toBe(0);
    expect(out[29]).toBe(0);
  });
});

describe('sameWords() and hashWords()', () => {
  it.each([4, 5, 6, 7, 8, 9, 31])('see a change of any of %i bytes', (length) => {
    const whole = SOURCE.slice(0, length);
    const there = new Uint8Array(length + 20);
    there.set(whole, 3);
    expect(sameWords(viewOf(whole), viewOf(there), 3)).toBe(true);
    const hash = hashWords(viewOf(whole), 0, length);
    expect(hashWords(viewOf(there), 3, 3 + length)).toBe(hash);
    for (let i = 3; i < 3 + length; i++) {
      for (const bit of [1, 16, 128]) {
        there[i]! ^= bit;
        expect(sameWords(viewOf(whole), viewOf(there), 3), `byte ${i}`).toBe(false);
        expect(hashWords(viewOf(there), 3, 3 + length), `byte ${i}`).not.toBe(hash);
        there[i]! ^= bit;
      }
    }
  });
});

describe('skipValue()', () => {
  it('passes nothing that may not stand in a field value, wherever it stands and whatever is beside it', () => {
    const wrong: string[] = [];
    for (const beside of [0x20, 0x41, 0x7e, 0x80, 0xff]) {
      for (let byte = 0; byte < 256; byte++) {
        for (let at = 0; at < 12; at++) {
          const bytes = new Uint8Array(14).fill(beside);
          bytes[at] = byte;
          const end = skipValue(viewOf(bytes), 1, 13);
          const isStop = FIELD_VALUE[byte] === 0 || byte === 9;
          const fits = isStop && at >= 1 ? end <= at && end > at - 4 : end === 13;
          if (!fits) wrong.push(`${byte} at ${at} beside ${beside}: ${end}`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  it.each([0, 1, 2, 3])('leaves the last %i bytes to the caller', (rest) => {
    expect(skipValue(viewOf(new Uint8Array(20).fill(65)), 2, 10 + rest)).toBe(10);
  });
});
