// npm run bench:probes [-- --targets N --interval MS --seconds S]
//
// What probing costs: so many HTTP targets, each at its own address of 127.0.0.0/8, every interval, by the scheduler and
// the probe that a DNS node uses. The endpoints are another process. Prints the share of one core and the memory of this
// process, which does nothing else, after the second round.
import { fork } from 'node:child_process';
import { parseArgs } from 'node:util';
import { createProbe } from '../../dist/probe/probe.js';
import { ProbeScheduler } from '../../dist/probe/scheduler.js';

const { values } = parseArgs({
  options: {
    targets: { type: 'string', default: '20000' },
    interval: { type: 'string', default: '10000' },
    seconds: { type: 'string', default: '10' },
  },
});
const count = Number(values.targets);
const intervalMs = Number(values.interval);
const measureMs = Number(values.seconds) * 1000;
const CORE_MAX = 0.4;
const RSS_MB_MAX = 300;

const endpoints = fork(new URL('./probe-endpoints.mjs', import.meta.url));
const port = await new Promise((resolve) => endpoints.once('message', resolve));

const monitor = {
  type: 'http',
  port,
  path: '/healthz',
  method: 'GET',
  host: 'www.example.com',
  status: [{ from: 200, to: 399 }],
  verify: true,
  intervalMs,
  timeoutMs: 2000,
  fall: 3,
  rise: 1,
};
const seen = { ok: 0, failed: 0 };
let elapsedMs = 0;
const details = new Map();
const scheduler = new ProbeScheduler(
  {
    probe: createProbe({ clock: () => performance.now() }),
    clock: () => performance.now(),
    timers: { setTimeout, clearTimeout },
    random: Math.random,
  },
  {
    onResult(_key, _state, result) {
      seen[result.ok ? 'ok' : 'failed']++;
      elapsedMs += result.elapsedMs;
      if (!result.ok) details.set(result.detail, (details.get(result.detail) ?? 0) + 1);
    },
  },
);

const startMs = performance.now();
scheduler.set(
  Array.from({ length: count }, (_, i) => {
    const host = `127.${1 + (i >> 14)}.${(i >> 7) & 127}.${1 + (i & 127)}`;
    return { key: `target ${i}`, host, monitor };
  }),
);
await scheduler.firstRound();
const firstMs = performance.now() - startMs;
console.log(`${count} targets every ${intervalMs / 1000} s; first round in ${(firstMs / 1000).toFixed(1)} s`);

// The second round is where they spread.
await new Promise((resolve) => setTimeout(resolve, Math.max(intervalMs - firstMs, 0)));
const before = { ...seen, elapsedMs };
const cpu = process.cpuUsage();
const fromMs = performance.now();
let rssMax = 0;
const sampling = setInterval(() => {
  rssMax = Math.max(rssMax, process.memoryUsage.rss());
}, 250);
await new Promise((resolve) => setTimeout(resolve, measureMs));
clearInterval(sampling);
const { user, system } = process.cpuUsage(cpu);
const wallMs = performance.now() - fromMs;
const probes = seen.ok + seen.failed - before.ok - before.failed;
const share = (user + system) / 1000 / wallMs;
const rss = rssMax / 2 ** 20;
console.log(`${probes} probes in ${(wallMs / 1000).toFixed(1)} s, ${seen.failed} failed in all`);
if (seen.failed > 0) console.log(Object.fromEntries(details));
console.log(`mean time of a probe: ${((elapsedMs - before.elapsedMs) / probes).toFixed(2)} ms`);
const each = (microseconds) => (microseconds / probes).toFixed(0);
console.log(`CPU: ${(share * 100).toFixed(1)} % of a core (goal: below ${CORE_MAX * 100} %)`);
console.log(`     ${each(user)} µs user and ${each(system)} µs system for each probe`);
console.log(`RSS: ${rss.toFixed(0)} MiB at most (goal: below ${RSS_MB_MAX})`);

scheduler.close();
endpoints.disconnect();
process.exitCode = share < CORE_MAX && rss < RSS_MB_MAX && seen.failed === 0 ? 0 : 1;
