import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { type DeskOptions, DirectDesk } from './zone-desk.js';
import type { FromDesk, ToDesk } from './zone-desk-thread.js';

/** Of the thread: it may use what those that answer leave. */
const NICE = 10;

/** The thread of a ZoneDesk: one reply for each call, in their order. */
function main(options: DeskOptions): void {
  // On Linux a priority belongs to a thread, and 0 is the one that calls (setpriority(2), "C library/kernel differences").
  if (process.platform === 'linux') setPriority(0, NICE);
  const port = parentPort!;
  const desk = new DirectDesk(options);
  port.on('message', async (call: ToDesk) => {
    const reply: FromDesk = await answerTo(desk, call).then(
      (result) => ({ result }),
      (error: unknown) => ({ error: error instanceof Error ? error.message : String(error) }),
    );
    port.postMessage(reply);
  });
}

function answerTo(desk: DirectDesk, call: ToDesk): Promise<unknown> {
  switch (call.method) {
    case 'edit':
      return desk.edit(...call.args);
    case 'compose':
      return desk.compose(...call.args);
    case 'check':
      return desk.check(...call.args);
    case 'list':
      return desk.list(...call.args);
    case 'listed':
      return desk.listed(...call.args);
    case 'listMaster':
      return desk.listMaster(...call.args);
    case 'part':
      return desk.part(...call.args);
    default: {
      const never: never = call;
      return never;
    }
  }
}

main(workerData as DeskOptions);
