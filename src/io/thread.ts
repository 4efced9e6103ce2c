import { closeSync, writeSync } from 'node:fs';

const ONE = new Uint8Array(new BigUint64Array([1n]).buffer);

/** Wakes a thread that is blocked in epoll by its eventfd; -1 for a thread that needs none. */
export function wakeThread(wakeFd: number): void {
  if (wakeFd < 0) return;
  try {
    writeSync(wakeFd, ONE);
  } catch {
    // The thread has just ended and its descriptor is closed: its exit is handled on its own.
  }
}

/** Closes descriptors that a dead thread left open, in this order: first the sockets that still get packets. */
export function closeLeft(descriptors: readonly number[]): void {
  for (const fd of descriptors) {
    try {
      closeSync(fd);
    } catch {
      // Closed already.
    }
  }
}
