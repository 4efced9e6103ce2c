#!/usr/bin/env node
import { type Running, runProgram } from './compose/program.js';
import { openService } from './compose/service.js';

const service = openService(process.env, (message) => process.stderr.write(`meridian: ${message}\n`));

let running: Running | undefined;
let ending = false;

function end(): void {
  if (ending) process.exit(1);
  ending = true;
  service.stopping();
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
process.on('SIGHUP', () => {
  service.reloading();
  void running?.reload?.().finally(() => service.reloaded());
});

await runProgram(process.argv, (started) => {
  running = started;
  service.started(started);
});
