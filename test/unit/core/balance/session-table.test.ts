import { describe, expect, it } from 'vitest';
import {
  SESSION_HANDLES,
  SESSION_SLOTS,
  SessionTable,
  sessionTableBytes,
} from '../../../../src/core/balance/session-table.js';

const IDLE = 3600;

function table(): SessionTable {
  return new SessionTable(new SharedArrayBuffer(sessionTableBytes()));
}

describe('SessionTable', () => {
  it('finds a session again, in every table over the same memory', () => {
    const memory = new SharedArrayBuffer(sessionTableBytes());
    const [one, other] = [new SessionTable(memory), new SessionTable(memory)];
    const handle = one.find(12345, 77, 100, IDLE);
    expect(one.endpoint(handle)).toBe(0);
    expect(one.placeOf(handle)).toBe(77);
    one.move(handle, -9);
    expect(other.find(12345, 77, 200, IDLE)).toBe(handle);
    expect(other.endpoint(handle)).toBe(-9);
  });

  it('tells apart sessions with the same place, and those with the same hash', () => {
    const sessions = table();
    const handles = [
      sessions.find(1, 5, 1, IDLE),
      sessions.find(2, 5, 1, IDLE),
      sessions.find(1, 6, 1, IDLE),
    ];
    expect(new Set(handles).size).toBe(3);
    handles.forEach((handle, i) => {
      sessions.move(handle, 10 + i);
    });
    expect(handles.map((handle) => sessions.endpoint(handle))).toEqual([10, 11, 12]);
  });

  it('forgets a session that was silent for too long', () => {
    const sessions = table();
    const handle = sessions.find(1, 5, 1000, IDLE);
    sessions.move(handle, 42);
    sessions.find(1, 5, 1000 + IDLE, IDLE);
    expect(sessions.endpoint(handle)).toBe(42);
    sessions.find(1, 5, 1001 + 2 * IDLE, IDLE);
    expect(sessions.endpoint(handle)).toBe(0);
  });

  it('gives the place of whoever was silent for longest to a new session, in a full bucket', () => {
    const sessions = table();
    // Hashes of one bucket.
    const inBucket = (i: number) => 3 + i * (SESSION_SLOTS / 8);
    const handles = Array.from({ length: 8 }, (_, i) => sessions.find(inBucket(i), i, 100 + i, IDLE));
    handles.forEach((handle, i) => {
      sessions.move(handle, i + 1);
    });
    // The first was used again.
    sessions.find(inBucket(0), 0, 200, IDLE);
    const late = sessions.find(inBucket(8), 8, 201, IDLE);
    expect(late % SESSION_SLOTS).toBe(handles[1]! % SESSION_SLOTS);
    expect(sessions.endpoint(handles[0]!)).toBe(1);
  });

  it('does not take the endpoint of one session for that of another which has its place now', () => {
    const sessions = table();
    const inBucket = (i: number) => 3 + i * (SESSION_SLOTS / 8);
    const handles = Array.from({ length: 8 }, (_, i) => sessions.find(inBucket(i), i, 100, IDLE));
    const late = sessions.find(inBucket(8), 8, 101, IDLE);
    sessions.move(late, 99);
    const old = handles.find((handle) => handle % SESSION_SLOTS === late % SESSION_SLOTS)!;
    expect(sessions.endpoint(old)).toBe(0);
    sessions.move(old, 7);
    expect(sessions.endpoint(late)).toBe(99);
  });

  it('gives handles that are small integers, whatever the hash', () => {
    const sessions = table();
    for (const [hash, place] of [
      [-1, 0x7fffffff],
      [0, 0],
      [-(2 ** 31), 4095],
    ] as const) {
      const handle = sessions.find(hash, place, 1, IDLE);
      expect(handle).toBeGreaterThanOrEqual(0);
      expect(handle).toBeLessThan(SESSION_HANDLES);
      expect(sessions.find(hash, place, 1, IDLE)).toBe(handle);
    }
  });
});
