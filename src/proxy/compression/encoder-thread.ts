import { parentPort } from 'node:worker_threads';
import { closeLeft, wakeThread } from '../../io/thread.js';
import { serveEncoders } from './encoder-desk.js';
import type { EncoderClient } from './link-protocol.js';

/** The thread that compresses for all workers of the batched tier: they run no event loop of node. */
parentPort?.on('message', ({ port, wakeFd }: EncoderClient) => {
  serveEncoders(
    port,
    () => wakeThread(wakeFd),
    () => closeLeft([wakeFd]),
  );
});
