// node scripts/bench/blast.mjs PORT SECONDS QUERY-FILE RATE: sends RATE queries a second to 127.0.0.1:PORT and does not
// wait for answers; prints how many it sent. Far cheaper for a query than dnsperf, so that two cores are enough to
// see what a server can do on more than one. Linux only.
import { readFileSync } from 'node:fs';
import { AF, loadLinux, MSG, SO, SOCK, SOL } from '../../dist/io/batched/linux.js';

const [port, seconds, file, rate] = process.argv.slice(2);
const BATCH = 64;
const SLOT_BYTES = 512;
const linux = loadLinux();
if ('unavailable' in linux) throw new Error(linux.unavailable);

const messages = [...framed(readFileSync(file))];
const slots = linux.allocate(messages.length * SLOT_BYTES);
const address = linux.allocate(16);
const vectors = linux.allocate(messages.length * 16);
const headers = linux.allocate(messages.length * 64);
const to = new DataView(address.buffer);
to.setUint16(0, AF.INET, true);
to.setUint16(2, Number(port));
to.setUint32(4, 0x7f000001);
for (const [i, message] of messages.entries()) {
  new Uint8Array(slots.buffer).set(message, i * SLOT_BYTES);
  const vector = new DataView(vectors.buffer, i * 16);
  vector.setBigUint64(0, BigInt(slots.address + i * SLOT_BYTES), true);
  vector.setBigUint64(8, BigInt(message.length), true);
  const header = new DataView(headers.buffer, i * 64);
  header.setBigUint64(0, BigInt(address.address), true);
  header.setUint32(8, 16, true);
  header.setBigUint64(16, BigInt(vectors.address + i * 16), true);
  header.setBigUint64(24, 1n, true);
}

// Several sockets: SO_REUSEPORT spreads by the client's port. Answers fall out of their small buffers.
const sockets = Array.from({ length: 16 }, () => {
  const fd = linux.socket(AF.INET, SOCK.DGRAM | SOCK.CLOEXEC, 0);
  linux.setsockopt(fd, SOL.SOCKET, SO.RCVBUF, new Uint8Array(new Int32Array([1]).buffer), 4);
  return fd;
});
const pause = new Int32Array(new SharedArrayBuffer(4));
let sent = 0;
const start = performance.now();
const total = Number(rate) * Number(seconds);
for (let turn = 0; sent < total; turn++) {
  const now = performance.now() - start;
  if (now > 1000 * Number(seconds)) break;
  if (sent > (total * now) / (1000 * Number(seconds))) {
    Atomics.wait(pause, 0, 0, 1);
    continue;
  }
  const from = (turn * BATCH) % (messages.length - BATCH);
  const done = linux.sendmmsg(
    sockets[turn % sockets.length],
    headers.address + from * 64,
    BATCH,
    MSG.NOSIGNAL,
  );
  if (done > 0) sent += done;
}
console.log(sent);

function* framed(bytes) {
  for (let at = 0; at + 2 <= bytes.length && at < 2_000_000; ) {
    const length = bytes.readUInt16BE(at);
    const message = Buffer.from(bytes.subarray(at + 2, at + 2 + length));
    message.writeUInt16BE(at & 0xffff);
    yield message;
    at += 2 + length;
  }
}
