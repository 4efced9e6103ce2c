import { setFlagsFromString } from 'node:v8';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { COUNTER } from '../core/answer/counters.js';
import { SNAPSHOT_BYTES_LARGE, type Snapshot, snapshotBytes } from '../core/answer/snapshot.js';
import { createTier } from '../io/create-tier.js';
import { collectNow } from '../io/garbage.js';
import { ListenError } from '../io/tier.js';
import { faultReporter } from './fault-reporter.js';
import { openLedger } from './open-ledger.js';
import type { FromWorker, ToWorker, WorkerStart } from './protocol.js';
import { proxiedDatagrams } from './proxied-datagrams.js';
import { ProxiedStreams } from './proxied-streams.js';
import { Responder } from './responder.js';
import { TcpService } from './tcp.js';

/** Bytes that may wait for a slow reader on one TCP connection: a few large answers. */
const WRITE_QUEUE_MAX = 256 * 1024;

// The query path is many small functions: V8's limits for inlining, made for short-lived pages, cut it into pieces.
setFlagsFromString('--max-inlined-bytecode-size=4000');
setFlagsFromString('--max-inlined-bytecode-size-cumulative=8000');

/**
 * One DNS worker thread: its own sockets, its own Responder, nothing shared but the snapshot, the health words
 * and its counters. In the batched tier the thread is blocked in epoll; the main thread wakes it by `wakeFd`.
 */
async function main(start: Omit<WorkerStart, 'snapshot'>, first: Snapshot): Promise<void> {
  const port = parentPort!;
  const say = (message: FromWorker) => port.postMessage(message);
  const now = () => performance.now();
  const responder = new Responder(
    { ...start, snapshot: first },
    faultReporter(say, now),
    openLedger(start, say),
  );
  responder.tick(Date.now());
  const { counters, options } = start;
  const tcp = new TcpService(responder.message, options.tcp, counters, now());
  responder.keepalive = () => tcp.keepalive;
  const { proxies } = options;
  // Off, it costs nothing: the tier then calls the responder itself.
  const passages =
    proxies.length > 0
      ? new ProxiedStreams(tcp, { trusted: proxies, limits: options.tcp }, counters, now())
      : undefined;
  const datagrams = passages ? proxiedDatagrams(responder.datagram, proxies, counters) : responder.datagram;
  const receive = (message: ToWorker) => {
    if (message.type === 'stop') return tier.stop();
    if (message.type !== 'snapshot') return;
    const { memory } = responder.snapshot;
    const isLarge =
      memory !== message.snapshot.memory && snapshotBytes(responder.snapshot) > SNAPSHOT_BYTES_LARGE;
    responder.use(message.snapshot);
    if (isLarge) collectNow();
    say({ type: 'applied', id: message.snapshot.id });
  };
  const tier = createTier(
    options.io,
    { shared: options.shared, datagramMax: options.datagramMax, writeQueueMax: WRITE_QUEUE_MAX },
    {
      woken() {
        for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port))
          receive(next.message);
      },
      tick(nowMs) {
        passages?.tick(nowMs);
        tcp.tick(nowMs);
        responder.tick(Date.now());
      },
      sendFailed(count) {
        counters[COUNTER.SEND_FAILED] = counters[COUNTER.SEND_FAILED]! + count;
      },
    },
    now,
  );
  if (tier.wakeFd < 0) port.on('message', receive);
  try {
    for (const address of options.listen) await tier.listen(address, datagrams, passages ?? tcp);
    if (start.queues) tier.serveQueues(start.queues, datagrams);
  } catch (error) {
    if (!(error instanceof ListenError)) throw error;
    say({ type: 'failed', code: error.code, address: error.address, message: error.message });
    port.close();
    return;
  }
  const { wakeFd, descriptors, connections } = tier;
  say({ type: 'serving', wakeFd, descriptors, connections });
  try {
    await tier.run();
  } finally {
    say({ type: 'closed' });
    port.close();
  }
}

const { snapshot, ...rest } = workerData as WorkerStart;
// `workerData` lasts as long as the thread, and the first snapshot must not.
delete (workerData as { snapshot?: unknown }).snapshot;
await main(rest, snapshot);
