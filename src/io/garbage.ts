/**
 * Shared memory goes back to the system when the last thread has collected its last view of it. V8 does not count
 * shared memory, so a thread that allocates little would keep hundreds of megabytes for hours: it is told here.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Collects garbage now. It pauses this thread as long as its heap is large: a DNS worker, whose heap is a few
 * megabytes, for two or three milliseconds.
 */
export function collectNow(): void {
  collector ??= exposeCollector();
  collector();
}

let collector: (() => void) | undefined;

function exposeCollector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}

const NUDGE_BYTES = 16 * 1024 * 1024;
const NUDGES = 8;
const NUDGE_INTERVAL_MS = 100;

/**
 * Brings a thread with a larger heap to collect garbage in its own time, in small steps beside its work: V8 starts
 * that when memory outside its heap grows. The memory is never touched, so the system never has to give it.
 */
export function collectSoon(): void {
  let held: ArrayBuffer[] = [];
  const timer = setInterval(() => {
    held.push(new ArrayBuffer(NUDGE_BYTES));
    if (held.length < NUDGES) return;
    held = [];
    clearInterval(timer);
  }, NUDGE_INTERVAL_MS);
  timer.unref();
}
