// Floods beside an honest client: `npm run bench:flood -- [--seconds N] [--io batched|portable] [--rate N] [--from ADDRESS]`.
// Loopback only. The flood runs in a thread of its own; the honest client sends at a steady rate and asks nothing twice.
// `--rate` is of the floods over UDP, datagrams a second: without it they send as many as go out, and so share the
// machine's cores with the server. `--from 127.0.0.1`: the flood comes from the honest client's own address.
// `--limited`: responses are rate-limited (dns.rate_limit), by /24; a flood from elsewhere needs a `--from` elsewhere.
// `--xdp` (needs root): the server has a network card of its own, a virtual one, and takes its datagrams by XDP; `--from` is then
// the address of the other end.
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { generator } from './dns-world.mjs';
import { startServer } from './flood-server.mjs';
import { cardOf, makeCards } from './network-cards.mjs';

const ZONE = 'flood.test';
const ZONES = {
  [ZONE]: `zone: ${ZONE}\nnameservers: { ns1: { A: 127.0.0.1 } }\nsoa: { contact: hostmaster.${ZONE} }\nrecords: { www: { type: A, value: 192.0.2.1 } }\n`,
};
const LOOPBACK = '127.0.0.1';
const TCP_MAX = 256;
/** More than the server takes, so that it must choose. */
const CONNECTIONS = 512;
const RATE_MAX = 10_000_000;
const QUERY_EVERY_MS = 5;
const ANSWER_MS_MAX = 1000;
const FLOODS = [
  'nothing',
  'garbage',
  'random-subdomains',
  'idle-connections',
  'idle-from-many',
  'slow-connections',
  'connect-and-reset',
];

const FLOOD = {
  garbage: (to) => {
    const random = generator(1);
    datagrams(to, () =>
      Buffer.from(Array.from({ length: Math.floor(random() * 100) }, () => random() * 256)),
    );
  },
  'random-subdomains': (to) => {
    const random = generator(2);
    datagrams(to, () => query(Math.floor(random() * 2 ** 32).toString(36), 1));
  },
  'idle-connections': (to) => connections(to, () => {}),
  // Each from an address of its own, so that no share of a client is a limit, only the table.
  'idle-from-many': (to) =>
    connections(
      to,
      () => {},
      (i) => (to.host === LOOPBACK ? `127.1.${i >> 8}.${i & 255}` : to.from),
    ),
  'slow-connections': (to) =>
    connections(to, (socket) => {
      const bytes = framed(query('www', 1));
      let at = 0;
      const timer = setInterval(
        () => socket.write(bytes.subarray(at % bytes.length, (at++ % bytes.length) + 1)),
        200,
      );
      socket.on('close', () => clearInterval(timer));
    }),
  'connect-and-reset': (to) => connections(to, (socket) => socket.resetAndDestroy()),
};

if (isMainThread) await main();
else FLOOD[workerData.kind](workerData);

/** Datagrams in batches, as many as go out; the sockets are made anew by nobody, so memory stays as it is. */
function datagrams({ host, port, from, rate }, make) {
  const socket = createSocket('udp4');
  socket.on('error', () => {});
  const batch = Array.from({ length: 2000 }, make);
  socket.bind(0, from, () => socket.connect(port, host));
  socket.on('connect', () => {
    parentPort.postMessage('begun');
    let at = 0;
    const startMs = performance.now();
    const turn = () => {
      const due = rate === 0 ? 64 : Math.min(1024, (performance.now() - startMs) * (rate / 1000) - at);
      for (let i = 0; i < due - 1; i++) socket.send(batch[at++ % batch.length]);
      if (due >= 1) socket.send(batch[at++ % batch.length], () => setImmediate(turn));
      else setTimeout(turn, 1);
    };
    turn();
  });
}

/** Keeps CONNECTIONS open: each that ends is replaced. */
function connections({ host, port, from }, use, fromOf = () => from) {
  const open = (i) => {
    const socket = connect({ port, host, localAddress: fromOf(i) });
    socket
      .on('error', () => {})
      .on('connect', () => use(socket))
      .on('close', () => setTimeout(open, 10, i));
    socket.resume();
  };
  for (let i = 0; i < CONNECTIONS; i++) open(i);
  setTimeout(() => parentPort.postMessage('begun'), 200);
}

async function main() {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '5' },
      io: { type: 'string', default: 'batched' },
      rate: { type: 'string', default: '0' },
      from: { type: 'string' },
      xdp: { type: 'boolean', default: false },
      limited: { type: 'boolean', default: false },
    },
  });
  const seconds = Number(values.seconds);
  if (!(seconds >= 1 && seconds <= 600)) throw new Error('--seconds: 1 to 600');
  if (!['batched', 'portable'].includes(values.io)) throw new Error('--io: batched or portable');
  const rate = Number(values.rate);
  if (!(rate >= 0 && rate <= RATE_MAX)) throw new Error(`--rate: 0 (no limit) to ${RATE_MAX}`);
  const cards = values.xdp ? makeCards(1) : undefined;
  process.on('exit', () => cards?.close());
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
  const { host, card } = cards ? cardOf(0) : { host: LOOPBACK };
  const from = values.from ?? (cards ? '10.99.0.1' : '127.0.0.2');
  if (!/^(127|10\.99\.0)\./.test(from)) throw new Error('--from: an address of 127.0.0.0/8, or 10.99.0.1');
  console.log(
    `dns.io ${values.io}${cards ? ' and xdp' : ''}, ${seconds} s each, ${TCP_MAX} connections at most`,
  );
  for (const kind of FLOODS) {
    const server = await startServer({
      io: values.io,
      zones: ZONES,
      host,
      inside: cards?.namespace,
      dns: {
        tcp: { max_connections: TCP_MAX },
        ...(cards && { xdp: { interfaces: [card] } }),
        ...(values.limited && { rate_limit: { enabled: true } }),
      },
    });
    const before = server.memory();
    const flood =
      kind === 'nothing'
        ? undefined
        : new Worker(new URL(import.meta.url), { workerData: { kind, host, port: server.port, rate, from } });
    if (flood) await new Promise((done) => flood.once('message', done));
    const [udp, tcp] = await Promise.all([
      honest({ host, port: server.port }, seconds, askUdp),
      honest({ host, port: server.port }, seconds, askTcp),
    ]);
    const growth = ((server.memory() - before) / 1024 / 1024).toFixed(1);
    await flood?.terminate();
    console.log(`${kind.padEnd(18)} UDP ${shown(udp)}  TCP ${shown(tcp)}  ${growth} MB more memory`);
    await server.close();
  }
}

/** One query each QUERY_EVERY_MS; how long each took, Infinity where no answer came. */
async function honest(to, seconds, ask) {
  const asked = [];
  const endMs = performance.now() + seconds * 1000;
  while (performance.now() < endMs) {
    asked.push(ask(to, asked.length & 0xffff));
    await new Promise((done) => setTimeout(done, QUERY_EVERY_MS));
  }
  return (await Promise.all(asked)).sort((a, b) => a - b);
}

function shown(times) {
  const at = (share) => times[Math.min(times.length - 1, Math.floor(times.length * share))].toFixed(1);
  const good = times.filter((ms) => ms < ANSWER_MS_MAX).length;
  return `${((100 * good) / times.length).toFixed(2)} % of ${times.length}, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`;
}

function askUdp({ host, port }, id) {
  const socket = createSocket('udp4');
  const startMs = performance.now();
  return new Promise((done) => {
    const timer = setTimeout(() => finish(Number.POSITIVE_INFINITY), ANSWER_MS_MAX);
    const finish = (ms) => {
      clearTimeout(timer);
      socket.close();
      done(ms);
    };
    socket.on('message', (bytes) => bytes.readUInt16BE(0) === id && finish(performance.now() - startMs));
    socket.send(query('www', id), port, host);
  });
}

function askTcp({ host, port }, id) {
  const startMs = performance.now();
  const socket = connect({ port, host, noDelay: true });
  return new Promise((done) => {
    const timer = setTimeout(() => finish(Number.POSITIVE_INFINITY), ANSWER_MS_MAX);
    const finish = (ms) => {
      clearTimeout(timer);
      socket.destroy();
      done(ms);
    };
    socket.on('data', () => finish(performance.now() - startMs));
    socket
      .on('error', () => finish(Number.POSITIVE_INFINITY))
      .on('close', () => finish(Number.POSITIVE_INFINITY));
    socket.write(framed(query('www', id)));
  });
}

function query(label, id) {
  const labels = `${label}.${ZONE}`.split('.').flatMap((part) => [part.length, ...Buffer.from(part)]);
  return Buffer.from([id >> 8, id & 255, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, 1, 0, 1]);
}

function framed(bytes) {
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
}
