import { setPriority } from 'node:os';
import { serialize } from 'node:v8';
import { parentPort, workerData } from 'node:worker_threads';
import { LastGoodZones } from '../sources/last-good.js';
import type { FromLoader, LoaderStart, ToLoader } from './loader-protocol.js';
import { ZoneLoader } from './zone-loader.js';

/** Of the thread: it may use what those that answer leave. */
const NICE = 10;

/** The loader thread: a ZoneLoader behind a port. It ends when its port is closed. */
function main({ state, probes }: LoaderStart): void {
  // On Linux a priority belongs to a thread, and 0 is the one that calls (setpriority(2), "C library/kernel differences").
  if (process.platform === 'linux') setPriority(0, NICE);
  const port = parentPort!;
  const options = probes ? { probes } : {};
  const lastGood = new LastGoodZones(state, options);
  const loader = new ZoneLoader({ now: Date.now, lastGood, ...options });
  port.on('message', async (message: ToLoader) => {
    const reply = await answerTo(loader, message);
    port.postMessage(reply, reply.type === 'compile' ? [reply.index.buffer as ArrayBuffer] : []);
  });
}

async function answerTo(loader: ZoneLoader, message: ToLoader): Promise<FromLoader> {
  const { type } = message;
  try {
    switch (type) {
      case 'geo':
        await loader.useGeo(message.geo);
        return { type };
      case 'stage':
        return { type, staged: await loader.stage(message.source, message.served) };
      case 'compile': {
        const { snapshot, index, pools } = await loader.compile(message.id, message.slots, message.aliases);
        // A copy of its own: a small Buffer shares its memory with others and can't be handed over.
        return { type, snapshot, index: new Uint8Array(serialize(index())), pools };
      }
      case 'settle':
        return { type, ...(await loader.settle(message.outcome)) };
      default: {
        const never: never = type;
        return never;
      }
    }
  } catch (error) {
    return { type: 'failed', error: error instanceof Error ? error : new Error(String(error)) };
  }
}

main(workerData as LoaderStart);
