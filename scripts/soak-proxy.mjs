// npm run soak:proxy [-- --requests 1000000 --clients 64 --io batched|portable --kill-every 1500 --seed S]
//
// Many clients send requests through the built proxy to an endpoint that is killed and started again all the time. Each
// request has a number of its own in its target, a field and its body; the endpoint gives them back; each response is
// checked to the last byte. A request may fail (a 5xx or a connection that breaks): that is counted. A response that
// belongs to another request, or is not what the endpoint sent, or is cut and looks whole, ends it with status 1.
import { fork, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bodyOf, SoakClient } from './soak-client.mjs';

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '1000000' },
    clients: { type: 'string', default: '64' },
    io: { type: 'string', default: 'auto' },
    'kill-every': { type: 'string', default: '1500' },
    seed: { type: 'string', default: '1' },
    endpoint: { type: 'string' },
  },
});
if (values.endpoint !== undefined) serve(Number(values.endpoint));
else await soak();

/** The endpoint: what came in the target, in the field and in the body goes back. */
function serve(port) {
  const server = createHttpServer((request, response) => {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
      const number = request.url.slice(1);
      const got = Buffer.concat(parts).toString('latin1');
      const agrees = request.headers['x-number'] === number && got === bodyOf(Number(number));
      response.setHeader('X-Number', number);
      const body = agrees ? `answer ${got}` : `the request was changed on its way: ${number}`;
      // Odd ones in chunks, even ones with a length.
      if (number % 2 === 0) response.setHeader('Content-Length', body.length);
      response.write(body.slice(0, 5));
      // Some take their time, so that the end of the endpoint finds responses half sent.
      if (number % 11 === 0) setTimeout(() => response.end(body.slice(5)), 30);
      else response.end(body.slice(5));
    });
  });
  server.keepAliveTimeout = 30_000;
  // Its start is told to whoever started it: it is killed some time after.
  server.listen(port, '127.0.0.1', () => process.send?.('listening'));
}

async function soak() {
  const total = Number(values.requests);
  const tally = { ok: 0, refused: 0, broken: 0, wrong: 0, kills: 0, statuses: {} };
  const folder = mkdtempSync(join(tmpdir(), 'meridian-soak-'));
  const random = generator(Number(values.seed));
  const endpoint = { port: await freePort(), process: null, ended: false };
  revive(endpoint, tally, random);
  const proxy = await startProxy(folder, endpoint.port);
  const progress = setInterval(() => console.error(JSON.stringify(tally)), 10_000);
  const startMs = performance.now();
  let next = 0;
  const problems = [];
  try {
    const lane = async () => {
      const client = new SoakClient(proxy.port, tally);
      while (next < total && problems.length === 0) {
        const problem = await client.ask(next++, random);
        if (problem !== null) problems.push(problem);
      }
      client.close();
    };
    await Promise.all(Array.from({ length: Number(values.clients) }, lane));
  } finally {
    clearInterval(progress);
    endpoint.ended = true;
    endpoint.process.kill('SIGKILL');
    proxy.process.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
  tally.wrong = problems.length;
  const seconds = (performance.now() - startMs) / 1000;
  console.log(JSON.stringify({ ...tally, requests: next, seconds: Number(seconds.toFixed(1)) }));
  for (const problem of problems) console.error(problem);
  process.exitCode = problems.length > 0 ? 1 : 0;
}

/** Starts the endpoint, kills it some time after it listens, and starts it again whenever it ended. */
function revive(endpoint, tally, random) {
  const child = fork(import.meta.filename, ['--endpoint', String(endpoint.port)]);
  endpoint.process = child;
  child.once('message', () => {
    setTimeout(() => child.kill('SIGKILL'), Number(values['kill-every']) * (0.5 + random()));
  });
  child.once('exit', () => {
    if (endpoint.ended) return;
    tally.kills++;
    setTimeout(() => endpoint.ended || revive(endpoint, tally, random), 50 * random());
  });
}

async function startProxy(folder, endpointPort) {
  const file = join(folder, 'proxy.yaml');
  const config = {
    node: { name: 'soak', region: 'soak' },
    workers: 2,
    io: values.io,
    admin: { listen: 'off' },
    listeners: [{ listen: '127.0.0.1:0', protocol: 'http', pool: 'web' }],
    pools: { web: { endpoints: [{ address: `127.0.0.1:${endpointPort}` }] } },
  };
  writeFileSync(file, JSON.stringify(config));
  const child = spawn(process.execPath, ['dist/main.js', 'proxy', '-c', file], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const line = await new Promise((resolve, reject) => {
    const read = (data) => {
      output += data;
      const found = output
        .split('\n')
        .find((text) => text.includes('"msg":"proxying"') && text.endsWith('}'));
      if (found !== undefined) resolve(found);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('exit', () => reject(new Error(`the proxy ended: ${output}`)));
  });
  child.on('exit', (code) => code !== null && console.error(`the proxy ended with ${code}`));
  return { process: child, port: JSON.parse(line).ports[0] };
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A small deterministic generator (mulberry32). */
function generator(seed) {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
