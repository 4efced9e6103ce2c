// Mutated packets and streams against the built program: it must go on answering, count no fault, and keep its size.
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { startServer } from './bench/flood-server.mjs';

const BURST = 100;
/** The first bursts let heap and tables grow to their size. */
const WARM_UP = 50;
const GROWTH_MAX = 96 * 1024 * 1024;

/** Fuzzes one tier for `seconds`; returns packets sent and growth of memory. Throws where something broke. */
export async function fuzzSockets({ io, seed, seconds }) {
  if (seconds === 0) return undefined;
  const { FuzzPackets } = await import('../dist/fuzz/test/support/fuzz-packets.js');
  const { FUZZ_ZONES } = await import('../dist/fuzz/test/support/fuzz-world.js');
  const server = await startServer({ io, zones: FUZZ_ZONES });
  const packets = new FuzzPackets(seed);
  const socket = createSocket('udp4');
  await new Promise((done) => socket.connect(server.port, '127.0.0.1', done));
  const startMs = performance.now();
  let count = 0;
  let before = 0;
  try {
    for (let burst = 0; performance.now() < startMs + seconds * 1000; burst++) {
      if (burst === WARM_UP) before = server.memory();
      for (let i = 0; i < BURST; i++) {
        packets.make(count++);
        // A copy: the array is used again before the datagram has left.
        socket.send(Buffer.from(packets.bytes.subarray(0, packets.length)));
      }
      await streamOf(server.port, packets, count);
      if (!(await isAlive(socket))) throw new Error(`${io}: no answer after packet ${count}`);
    }
    const growth = before === 0 ? 0 : server.memory() - before;
    for (const metric of ['meridian_dns_faults_total', 'meridian_worker_restarts_total']) {
      const value = await server.metric(metric);
      if (value !== 0) throw new Error(`${io}: ${metric} ${value}`);
    }
    if (growth > GROWTH_MAX) throw new Error(`${io}: ${growth} bytes more memory`);
    return { count, seconds: (performance.now() - startMs) / 1000, growth };
  } finally {
    socket.close();
    await server.close();
  }
}

/** A few messages on one connection, cut anywhere, with lengths that lie, and an end in the middle. */
async function streamOf(port, packets, index) {
  const stream = connect({ port, host: '127.0.0.1', noDelay: true });
  stream.on('error', () => {});
  stream.resume();
  const parts = [];
  for (let i = 0; i < 8; i++) {
    packets.make(index + i);
    const promised = packets.below(12) === 0 ? packets.below(65_536) : packets.length;
    parts.push(
      Buffer.from([promised >> 8, promised & 255]),
      Buffer.from(packets.bytes.subarray(0, packets.length)),
    );
  }
  const bytes = Buffer.concat(parts);
  for (let at = 0; at < bytes.length; ) {
    const size = 1 + packets.below(200);
    stream.write(bytes.subarray(at, at + size));
    at += size;
    if (packets.below(4) === 0) await new Promise((done) => setImmediate(done));
  }
  if (packets.below(4) === 0) stream.resetAndDestroy();
  else stream.end();
  await Promise.race([
    new Promise((done) => stream.once('close', done)),
    new Promise((done) => setTimeout(done, 50)),
  ]);
  stream.destroy();
}

const QUESTION = Buffer.from('076578616d706c6503636f6d0000060001', 'hex');

/** A good query gets its answer within two seconds, asked again where the flood took its place. */
async function isAlive(socket) {
  for (let attempt = 0; attempt < 20; attempt++) {
    const id = 0x6d00 | attempt;
    const query = Buffer.concat([Buffer.from([id >> 8, id & 255, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]), QUESTION]);
    const answered = await new Promise((done) => {
      const timer = setTimeout(() => finish(false), 100);
      const onMessage = (bytes) => {
        if (bytes.length > 40 && bytes.readUInt16BE(0) === id && bytes[3] === 0 && bytes[7] === 1)
          finish(true);
      };
      const finish = (value) => {
        clearTimeout(timer);
        socket.off('message', onMessage);
        done(value);
      };
      socket.on('message', onMessage);
      socket.send(query);
    });
    if (answered) return true;
  }
  return false;
}
