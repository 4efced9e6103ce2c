import { parentPort, workerData } from 'node:worker_threads';
import { type DifferenceOptions, filesDifference } from './revision-difference.js';
import type { FileTexts } from './revisions.js';

export interface DifferenceJob {
  readonly texts: readonly FileTexts[];
  readonly options: DifferenceOptions;
}

/** Compares once, answers, and ends. */
function main({ texts, options }: DifferenceJob): void {
  parentPort?.postMessage(filesDifference(texts, options));
}

main(workerData as DifferenceJob);
