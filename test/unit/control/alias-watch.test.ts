import { describe, expect, it } from 'vitest';
import { AliasWatch } from '../../../src/control/alias-watch.js';
import { ALIAS_SLOT, readAliasSlot } from '../../../src/core/answer/alias-slot.js';
import type { Resolved } from '../../../src/sources/name-resolver.js';
import { ManualTime } from '../../support/manual-time.js';

const GOOD = { addresses: [Uint8Array.of(192, 0, 2, 1)], ttlSeconds: 100 };
const NONE = { addresses: [], ttlSeconds: 60 };
const BAD = { error: 'ESERVFAIL' };

function newWatch(options: { maxAgeMs?: number; capacity?: number } = {}) {
  const time = new ManualTime();
  const asked: string[] = [];
  const logged: string[] = [];
  const replies = { v4: GOOD as Resolved, v6: NONE as Resolved };
  const log = (_: object, message: string) => void logged.push(message);
  const watch = new AliasWatch(options, {
    resolver: {
      resolve: async (name, family) => {
        if (family === 4) asked.push(`${time.clock() / 1000} ${name}`);
        return family === 4 ? replies.v4 : replies.v6;
      },
      close() {},
    },
    now: time.clock,
    timers: time,
    random: () => 0,
    log: { warn: log, error: log },
  });
  /** State, counts, expiry. */
  const slot = (name: string) => {
    const into = new Int32Array(ALIAS_SLOT.STRIDE);
    expect(readAliasSlot(watch.table, watch.slotOf(name)!, into)).toBe(true);
    return [...into.subarray(ALIAS_SLOT.STATE, ALIAS_SLOT.EXPIRES + 1)];
  };
  return { watch, time, asked, logged, replies, slot };
}

describe('AliasWatch', () => {
  it('resolves a name at once and again when its TTL is over', async () => {
    const { watch, time, asked, slot } = newWatch();
    watch.watch(['a.test.']);
    expect(slot('a.test.')).toEqual([0, 0, 0, 0]);
    await time.advance(0);
    expect(slot('a.test.')).toEqual([3, 1, 0, 60]);
    await time.advance(121_000);
    expect(asked).toEqual(['0 a.test.', '60 a.test.', '120 a.test.']);
  });

  it.each([
    [0, 5],
    [1_000_000, 3600],
  ])('keeps a TTL of %i s for %i s', async (ttlSeconds, kept) => {
    const { watch, time, asked, replies } = newWatch();
    replies.v4 = { ...GOOD, ttlSeconds };
    replies.v6 = { ...NONE, ttlSeconds };
    watch.watch(['a.test.']);
    await time.advance(kept * 1000 + 1);
    expect(asked).toEqual(['0 a.test.', `${kept} a.test.`]);
  });

  it('keeps the last good addresses while it fails, and asks again ever later', async () => {
    const { watch, time, asked, replies, slot, logged } = newWatch();
    watch.watch(['a.test.']);
    await time.advance(0);
    replies.v4 = BAD;
    await time.advance(60_000 + 200_000);
    expect(asked.map((line) => Number(line.split(' ')[0]))).toEqual([
      0, 60, 61, 63, 67, 75, 91, 123, 183, 243,
    ]);
    expect(slot('a.test.').slice(0, 3)).toEqual([3, 1, 0]);
    expect(watch.status.names).toEqual({ fresh: 0, stale: 1, unresolved: 0 });
    expect(watch.status.ageSeconds).toBe(260);
    expect(logged).toHaveLength(1);
    replies.v4 = GOOD;
    await time.advance(60_000);
    expect(watch.status.names.fresh).toBe(1);
  });

  it('does not know a family that was never resolved', async () => {
    const { watch, time, replies, slot } = newWatch();
    replies.v6 = BAD;
    watch.watch(['a.test.']);
    await time.advance(0);
    expect(slot('a.test.')[0]).toBe(1);
    expect(watch.status.names.unresolved).toBe(1);
  });

  it('gives addresses up that are older than the limit', async () => {
    const { watch, time, replies, slot } = newWatch({ maxAgeMs: 100_000 });
    watch.watch(['a.test.']);
    await time.advance(0);
    replies.v4 = BAD;
    await time.advance(90_000);
    expect(slot('a.test.')[0]).toBe(3);
    await time.advance(110_000);
    expect(slot('a.test.')[0]).toBe(2);
  });

  it('forgets names that are no longer wanted and gives their slots to others, empty', async () => {
    const { watch, time, asked, slot } = newWatch({ capacity: 1 });
    watch.watch(['a.test.']);
    await time.advance(0);
    watch.retain([]);
    expect(watch.slotOf('a.test.')).toBeUndefined();
    watch.watch(['b.test.']);
    expect(slot('b.test.')).toEqual([0, 0, 0, 0]);
    await time.advance(1);
    expect(asked).toEqual(['0 a.test.', '0 b.test.']);
  });

  it('has a limit, and says so', () => {
    const { watch, logged } = newWatch({ capacity: 1 });
    watch.watch(['a.test.', 'b.test.']);
    expect([watch.slotOf('a.test.'), watch.slotOf('b.test.')]).toEqual([0, undefined]);
    expect(logged).toEqual(['too many names outside for ALIAS records']);
  });

  it('waits for the first attempts, but not for ever', async () => {
    const { watch, time } = newWatch();
    let done = 0;
    watch.watch(['a.test.']);
    void watch.firstRound(3000).then(() => done++);
    await time.advance(0);
    expect(done).toBe(1);
  });

  it('leaves no timer behind', async () => {
    const { watch, time } = newWatch();
    watch.watch(['a.test.']);
    await time.advance(1);
    watch.close();
    expect(time.pending).toBe(0);
  });
});
