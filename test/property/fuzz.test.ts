import { describe, expect, it } from 'vitest';
import { COUNTER } from '../../src/core/answer/counters.js';
import { FuzzPackets } from '../support/fuzz-packets.js';
import { replyProblem } from '../support/fuzz-reply.js';
import { QueryPathFuzz } from '../support/fuzz-run.js';
import { StreamFuzz } from '../support/fuzz-stream.js';
import { packet } from '../support/packet.js';

const SEED = 20_261_121;

describe('a hundred thousand mutated packets', () => {
  it('all get what they must, or nothing; apart and in place alike', () => {
    const fuzz = new QueryPathFuzz(SEED);
    fuzz.run(0, 100_000);
    expect(fuzz.counters[COUNTER.FAULT]).toBe(0);
    // Every answer that there is was given often: the mutations do not all end at the header.
    for (const rcode of [0, 1, 3, 4, 5, 16])
      expect(fuzz.counters[COUNTER.RCODE + rcode]).toBeGreaterThan(500);
    for (const what of [COUNTER.TRUNCATED, COUNTER.ECS, COUNTER.DROP_SHORT, COUNTER.DROP_RESPONSE]) {
      expect(fuzz.counters[what]).toBeGreaterThan(100);
    }
  });

  it('on streams, cut anywhere, get the same as each by itself', () => {
    new StreamFuzz(SEED).run(0, 3000);
  });
});

describe('the fuzzer', () => {
  it('makes the same packet of the same seed and index', () => {
    const [one, other] = [new FuzzPackets(7), new FuzzPackets(7)] as const;
    one.make(1);
    one.make(1234);
    other.make(1234);
    expect(one.bytes.slice(0, one.length)).toEqual(other.bytes.slice(0, other.length));
    other.make(1235);
    expect(one.bytes.slice(0, one.length)).not.toEqual(other.bytes.slice(0, other.length));
  });

  const query = packet({ name: 'example.com', opts: [{ payload: 512 }] });
  const reply = packet({ name: 'example.com', flags: 0x8400, opts: [{}] });
  const change = (at: number, ...values: readonly number[]) => {
    const changed = reply.slice();
    changed.set(values, at);
    return changed;
  };

  it('finds nothing wrong with a right reply', () => {
    expect(replyProblem(query, query.length, reply, 0, reply.length, false)).toBeUndefined();
  });

  it.each<[problem: string, bytes: Uint8Array]>([
    ['another ID', change(0, 9)],
    ['QR is not set', change(2, 4)],
    ['another opcode or RD', change(2, 0x85)],
    ['RA, Z or AD is set', change(3, 0x80)],
    ['SERVFAIL', change(3, 2)],
    ['another question', change(13, 0x45)],
    ['record 1 is cut or has a bad name', change(11, 2)],
    ['bytes behind the last record', Uint8Array.from([...reply, 0])],
    ['OPT of another version than 0', change(reply.length - 5, 1)],
    ['unknown flags in OPT', change(reply.length - 4, 0x40)],
    ['no reply', new Uint8Array(0)],
    [
      '513 bytes, 512 allowed',
      packet({ name: 'example.com', flags: 0x8400, opts: [{ options: [[3, Array(469).fill(0)]] }] }),
    ],
  ])('finds out: %s', (problem, bytes) => {
    expect(replyProblem(query, query.length, bytes, 0, bytes.length, false)).toBe(problem);
  });

  it('finds out a reply to a response', () => {
    expect(replyProblem(reply, reply.length, reply, 0, reply.length, false)).toMatch('a reply to a response');
  });
});
