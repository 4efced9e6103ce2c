// What bench:proxy asks of a server, case by case. A load runs on core 1 and gives { count, failed, … }.
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { HOST } from './proxy-servers.mjs';

const CLIENT = join(import.meta.dirname, 'proxy-client.mjs');
export const IDLE_CONNECTIONS = 10_000;
const LATENCY_CLIENTS = 32;

/**
 * name → what it is. `kind` is the world (http, managed, tcp or tls); `load(world)` makes one turn; `unit` says what is counted:
 * the CPU time of the server is divided by it; `servers`: those that are compared where not all are. `measure: latency | memory` are not about CPU time.
 */
export const CASES = {
  'keepalive-64': { kind: 'http', unit: 'request', load: (world) => wrk(world, 64, '/api/small') },
  'keepalive-1000': { kind: 'http', unit: 'request', load: (world) => wrk(world, 1_000, '/api/small') },
  'varied-64': {
    kind: 'http',
    unit: 'request',
    load: (world) => wrk(world, 64, '/api/small', { varied: true }),
  },
  'managed-64': {
    kind: 'managed',
    unit: 'request',
    servers: ['meridian', 'plain', 'haproxy'],
    load: async (world) => wrk(world, 64, '/api/small', { header: await sessionOf(world) }),
  },
  'new-connection': {
    kind: 'http',
    unit: 'request',
    load: (world) => wrk(world, 64, '/api/small', { header: 'Connection: close' }),
  },
  'large-down': { kind: 'http', unit: 'MB', load: (world) => wrk(world, 16, '/api/large') },
  'large-up': {
    kind: 'http',
    unit: 'MB',
    load: (world) => wrk(world, 16, '/api/upload', { body: 1_000_000 }),
  },
  'l4-bulk': { kind: 'tcp', unit: 'MB', load: (world) => wrk(world, 16, '/api/large') },
  'l4-small': { kind: 'tcp', unit: 'request', load: (world) => wrk(world, 64, '/api/small') },
  'l4-connection': {
    kind: 'tcp',
    unit: 'connection',
    load: (world) => wrk(world, 64, '/api/small', { header: 'Connection: close' }),
  },
  latency: { kind: 'http', unit: 'request', measure: 'latency', load: h2load },
  memory: { kind: 'http', unit: 'connection', measure: 'memory', load: holdIdle },
  'tls-keepalive': { kind: 'tls', unit: 'request', load: (world) => wrk(world, 64, '/api/small') },
  'tls-full': { kind: 'tls', unit: 'handshake', load: (world) => client(world, 'full') },
  'tls-resumed': { kind: 'tls', unit: 'handshake', load: (world) => client(world, 'resumed') },
};

/** As long as one of ours: where nobody reads it, it is passed on all the same. */
const OTHER_COOKIE = `elsewhere_web=${'x'.repeat(28)}`;

/** The header of a client that keeps its session, if there are any. */
function sessionOf({ port }) {
  return new Promise((resolve, reject) => {
    const request = get(
      { port, host: '127.0.0.1', path: '/api/small', headers: { host: HOST } },
      (response) => {
        response.resume();
        const [cookie] = response.headers['set-cookie'] ?? [];
        resolve(`Cookie: ${cookie?.split(';')[0] ?? OTHER_COOKIE}`);
      },
    );
    request.on('error', reject);
  });
}

/** No two requests are alike. */
const VARIED = `local n = 0
request = function()
  n = n + 1
  return wrk.format(nil, wrk.path .. "?item=" .. n, { Host = wrk.headers["Host"], Cookie = "session=" .. n * 7919 })
end
`;

/** wrk, one thread. Responses that are not 2xx or 3xx, and errors of sockets, count as failed. */
export async function wrk({ port, kind, seconds, folder }, connections, path, { header, body, varied } = {}) {
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--latency', '-H', `Host: ${HOST}`];
  if (header !== undefined) args.push('-H', header);
  if (body !== undefined) {
    const script = join(folder, 'upload.lua');
    writeFileSync(script, `wrk.method = "POST"\nwrk.body = string.rep("x", ${body})\n`);
    args.push('-s', script);
  }
  if (varied) {
    const script = join(folder, 'varied.lua');
    writeFileSync(script, VARIED);
    args.push('-s', script);
  }
  const url = `${kind === 'tls' ? 'https' : 'http'}://127.0.0.1:${port}${path}`;
  const { text, exit } = await outputOf('wrk', [...args, url]);
  const number = (pattern) => Number(pattern.exec(text)?.[1] ?? 0);
  if (exit !== 0 || !/requests in/.test(text)) throw new Error(`wrk failed: ${text}`);
  const sockets = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text);
  const failed =
    (sockets?.slice(1).reduce((sum, value) => sum + Number(value), 0) ?? 0) +
    number(/Non-2xx or 3xx responses: (\d+)/);
  return { count: number(/(\d+) requests in/), rate: number(/Requests\/sec:\s+([\d.]+)/), failed };
}

/** HTTP/1.1 at a fixed rate; the percentiles are of all requests but those of the first half second. */
async function h2load({ port, seconds, folder, rate }) {
  const log = join(folder, 'latency.log');
  writeFileSync(log, '');
  const perClient = Math.max(1, Math.round(rate / LATENCY_CLIENTS));
  const args = [
    '--h1',
    '-t1',
    `-c${LATENCY_CLIENTS}`,
    `-D${seconds}`,
    `--rps=${perClient}`,
    `--log-file=${log}`,
  ];
  await outputOf('h2load', [...args, '-H', `:authority: ${HOST}`, `http://127.0.0.1:${port}/api/small`]);
  const rows = readFileSync(log, 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split('\t').map(Number));
  const startUs = Math.min(...rows.slice(0, 1_000).map(([at]) => at));
  const settled = rows.filter(([at]) => at > startUs + 500_000);
  const times = Float64Array.from(settled, ([, , us]) => us).sort();
  const at = (share) => times[Math.floor(share * (times.length - 1))] ?? Number.NaN;
  const failed = settled.filter(([, status]) => status !== 200).length;
  return {
    count: times.length,
    rate: perClient * LATENCY_CLIENTS,
    failed,
    p50Us: at(0.5),
    p99Us: at(0.99),
    p999Us: at(0.999),
  };
}

function client({ port, seconds }, mode) {
  return outputOf(process.execPath, [CLIENT, mode, port, 8, seconds]).then(({ text }) => JSON.parse(text));
}

/** Opens the idle connections; `end` closes them. */
async function holdIdle({ port }) {
  const child = spawn(
    'taskset',
    ['-c', '1', process.execPath, CLIENT, 'idle', String(port), String(IDLE_CONNECTIONS), '0'],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  const line = await new Promise((resolve, reject) => {
    child.stdout.once('data', (data) => resolve(data.toString()));
    child.once('exit', () => reject(new Error('the client of idle connections ended')));
  });
  const end = () => {
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.stdin.end();
    return gone;
  };
  return { ...JSON.parse(line), end };
}

/** A client that hangs is ended after this long beyond its time. */
const HUNG_MS = 60_000;

function outputOf(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn('taskset', ['-c', '1', command, ...args.map(String)], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: HUNG_MS,
    });
    let text = '';
    const keep = (data) => {
      text += data;
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', reject);
    child.on('close', (exit) => resolve({ text, exit }));
  });
}
