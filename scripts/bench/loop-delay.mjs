// Preloaded into a server (node --import): writes the longest delay of the main thread's event loop, milliseconds, to
// the file in LOOP_DELAY_FILE once a second, and begins anew whenever that file is gone.
import { existsSync, writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

const file = process.env.LOOP_DELAY_FILE;
if (isMainThread && file) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  setInterval(() => {
    if (!existsSync(file)) delay.reset();
    else if (delay.max === 0) return;
    writeFileSync(file, `${delay.max / 1e6} ${delay.percentile(99.9) / 1e6}`);
  }, 250).unref();
}
