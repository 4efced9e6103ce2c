import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import type { FromPlanner, HealthNow, PlanThreadStart, ToPlanner } from './plan-job.js';
import { Planner } from './planner.js';

/** Of the thread: it may use what those that answer leave. */
const NICE = 10;

/** The plan thread: a Planner behind a port. It ends when its port is closed. */
function main(start: PlanThreadStart): void {
  // On Linux a priority belongs to a thread, and 0 is the one that calls (setpriority(2), "C library/kernel differences").
  if (process.platform === 'linux') setPriority(0, NICE);
  const port = parentPort!;
  const planner = new Planner(start, () => performance.now());
  const tell = (message: FromPlanner) => port.postMessage(message);
  const askHealth = (keys: readonly string[]) => {
    tell({ type: 'keys', keys });
    return new Promise<HealthNow>((resolve) => {
      told = resolve;
    });
  };
  let told: (words: HealthNow) => void = () => {};
  port.on('message', async (message: ToPlanner) => {
    const { type } = message;
    switch (type) {
      case 'geo':
        planner.useGeo(message.geo);
        return;
      case 'words':
        told(message.words);
        return;
      case 'plan':
      case 'compare':
        try {
          tell(
            type === 'plan'
              ? { type: 'planned', findings: await planner.plan(message.job, askHealth) }
              : { type: 'compared', impact: await planner.compare(message.job, askHealth) },
          );
        } catch (error) {
          tell({ type: 'failed', error: error instanceof Error ? error.message : String(error) });
        }
        return;
      default: {
        const never: never = type;
        return never;
      }
    }
  });
}

main(workerData as PlanThreadStart);
