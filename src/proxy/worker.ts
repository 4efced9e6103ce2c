import { setFlagsFromString } from 'node:v8';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { AccessRing } from '../core/access-log/ring.js';
import { AccessSampler } from '../core/access-log/sampler.js';
import { createNetwork } from '../io/create-network.js';
import { AccessWriter } from './access-writer.js';
import type { CellPlan } from './cell-book.js';
import { CellPublisher } from './cell-publisher.js';
import { EncoderLink } from './compression/encoder-link.js';
import { ZlibEncoders } from './compression/zlib-encoders.js';
import { obey } from './endpoint-orders.js';
import { Protection, type ProtectionPlan } from './limit/protection.js';
import type { FromProxyWorker, ProxyWorkerStart, ToProxyWorker } from './protocol.js';
import { RegionalProxy } from './regional-proxy.js';

// The request path is many small functions: V8's limits for inlining, made for short-lived pages, cut it into pieces.
setFlagsFromString('--max-inlined-bytecode-size=4000');
setFlagsFromString('--max-inlined-bytecode-size-cumulative=8000');

/** The counts that other threads see are no older than this. */
const PUBLISH_MS = 250;

/** One thread of the proxy's data plane: its own sockets, pools and counters. */
async function main(start: ProxyWorkerStart): Promise<void> {
  const { model, io, place, serves, verdicts, orders, tls } = start;
  const port = parentPort!;
  const say = (message: FromProxyWorker): void => port.postMessage(message);
  const running = createNetwork(io, {
    clock: () => performance.now(),
    woken() {
      for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port))
        receive(next.message);
      link?.receive();
    },
  });
  const link = start.encoders === null ? null : new EncoderLink(start.encoders);
  let protection =
    start.protection === null ? null : new Protection(start.protection, clockOf(running.network));
  const protect = (plan: ProtectionPlan | null): void => {
    if (plan === null) return;
    if (protection === null) {
      protection = new Protection(plan, clockOf(running.network));
      proxy.protect(protection);
    } else protection.use(plan);
  };
  const proxy = new RegionalProxy(model, running.network, {
    protection,
    place,
    tls,
    serves,
    onChange: (pool, endpoint, up, detail) => say({ type: 'change', pool, endpoint, up, detail }),
    access: accessOf(start),
    encoders: link ?? new ZlibEncoders(),
    sharing: start.sharing,
    sticky: start.sticky,
  });
  const publisher = new CellPublisher(start.cells);
  const counted = (plan: CellPlan): void => publisher.use(plan, proxy.counters, [...proxy.pools.values()]);
  const apply = async ({ id, model: next, tls: nextTls, plan, ...known }: ApplyMessage): Promise<void> => {
    protect(known.protection);
    const failures = await proxy.apply(next, nextTls, (pools) => {
      for (const { pool, endpoint, up, detail } of known.verdicts)
        pools.get(pool)?.judge(endpoint, up, detail);
      for (const order of known.orders) obey(pools, order);
    });
    if (failures.length === 0) counted(plan);
    say({ type: 'applied', id, failures });
  };
  const receive = (message: ToProxyWorker): void => {
    switch (message.type) {
      case 'verdict': {
        const { pool, endpoint, up, detail } = message.verdict;
        proxy.judge(pool, endpoint, up, detail);
        break;
      }
      case 'order':
        obey(proxy.pools, message.order);
        break;
      case 'addresses':
        proxy.useAddresses(message.found);
        break;
      case 'passed':
        proxy.passed(message.pool, message.endpoint);
        break;
      case 'publish':
        publisher.publish();
        say({ type: 'published', id: message.id, busy: running.network.busy() });
        break;
      case 'model':
        running.pauseFor(apply(message));
        break;
      case 'protection':
        protect(message.plan);
        break;
      case 'tls':
        proxy.useTls(message.tls);
        break;
      case 'drain':
        proxy.drain(() => say({ type: 'drained' }));
        break;
      case 'encoders':
        link?.use(message.port);
        break;
      case 'stop':
        proxy.destroy();
        running.stop();
        break;
    }
  };
  for (const { pool, endpoint, up, detail } of verdicts) proxy.judge(pool, endpoint, up, detail);
  for (const found of start.names) proxy.useAddresses(found);
  for (const order of orders) obey(proxy.pools, order);
  const failures = await proxy.listen();
  if (failures.length > 0) {
    say({ type: 'failed', failures });
    running.network.close();
    port.close();
    return;
  }
  counted(start.plan);
  running.network.every(PUBLISH_MS, () => publisher.publish());
  const { wakeFd, connections } = running;
  if (wakeFd < 0) port.on('message', receive);
  const ports = proxy.listeners.map((listener) => listener.port);
  say({ type: 'serving', wakeFd, ports, descriptors: running.descriptors(), connections });
  try {
    await running.run();
  } finally {
    say({ type: 'closed' });
    port.close();
  }
}

type ApplyMessage = Extract<ToProxyWorker, { type: 'model' }>;

/** The system's monotonic clock, which all threads share, at the moment of the network's own. */
function clockOf(network: { readonly nowMs: number }): () => number {
  const beganMs = Number(process.hrtime.bigint()) / 1e6 - performance.now();
  return () => network.nowMs + beganMs;
}

function accessOf({ model, access }: ProxyWorkerStart): AccessWriter | null {
  if (access === null || model.accessLog === undefined) return null;
  const sampler = new AccessSampler(model.accessLog, Math.floor(Math.random() * 2 ** 31));
  return new AccessWriter(sampler, new AccessRing(access), Date.now);
}

await main(workerData as ProxyWorkerStart);
