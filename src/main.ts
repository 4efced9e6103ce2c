#!/usr/bin/env node
import { type Running, runProgram } from './compose/program.js';

let running: Running | undefined;
let ending = false;

function end(): void {
  if (ending) process.exit(1);
  ending = true;
  const done = running?.close() ?? Promise.resolve();
  done.then(
    () => process.exit(0),
    (error: unknown) => {
      process.stderr.write(`meridian: ${String(error)}\n`);
      process.exit(1);
    },
  );
}

process.on('SIGINT', end);
process.on('SIGTERM', end);
// By custom a request to read the configuration again, and by default the end of the process.
process.on('SIGHUP', () => void running?.reload?.());

await runProgram(process.argv, (started) => {
  running = started;
});
