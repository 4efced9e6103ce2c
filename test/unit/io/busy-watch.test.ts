import { describe, expect, it } from 'vitest';
import { BusyWatch, WAIT } from '../../../src/io/batched/busy-watch.js';

const FD = 7;

/** A watch, and what its poller was told: the descriptors that epoll watches now. */
function watched() {
  const callbacks = new Map<number, (events: number) => void>();
  const poller = {
    add: (fd: number, _events: number, callback: (events: number) => void) =>
      void callbacks.set(fd, callback),
    remove: (fd: number) => void callbacks.delete(fd),
  };
  let calls = 0;
  const watch = new BusyWatch(poller, FD, () => void calls++);
  return { watch, callbacks, calls: () => calls };
}

describe('BusyWatch', () => {
  it.each([
    ['nothing', [0, 0, 0, 0], false],
    ['one datagram at a time', [1, 1, 1, 1], false],
    ['two at once', [2], true],
    ['two at once, then one each time', [2, 1, 1, 1, 1, 1], true],
    ['gaps of two looks', [9, 0, 0, 1, 0, 0, 1], true],
    ['a gap of three looks', [9, 0, 0, 0], false],
    ['a gap, and then many again', [9, 0, 0, 0, 5], true],
  ])('is busy or quiet after %s', (_, seen, busy) => {
    const { watch, callbacks } = watched();
    for (const datagrams of seen) watch.saw(datagrams, false);
    expect(watch.wait).toBe(busy ? WAIT.NAP : WAIT.EVENT);
    // Exactly one of both looks after it: epoll, or whoever naps.
    expect(callbacks.has(FD)).toBe(!busy);
  });

  it.each([
    [9, true, WAIT.NOTHING],
    [9, false, WAIT.NAP],
    [1, true, WAIT.EVENT],
  ])('after %i datagrams (more left: %s) waits for %i', (datagrams, left, wait) => {
    const { watch } = watched();
    watch.saw(datagrams, left);
    expect(watch.wait).toBe(wait);
  });

  it('is called by epoll while it is quiet', () => {
    const { callbacks, calls } = watched();
    callbacks.get(FD)?.(1);
    expect(calls()).toBe(1);
  });

  it.each([[0], [4]])('leaves epoll when it is closed (after %i datagrams)', (datagrams) => {
    const { watch, callbacks } = watched();
    watch.saw(datagrams, false);
    watch.close();
    expect(callbacks.size).toBe(0);
  });
});
