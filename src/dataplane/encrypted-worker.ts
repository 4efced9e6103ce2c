import { createSecureServer } from 'node:http2';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { parentPort, workerData } from 'node:worker_threads';
import { COUNTER } from '../core/answer/counters.js';
import { addressBytes } from '../io/address.js';
import { PortableConnection } from '../io/portable/tier.js';
import { ListenError, type StreamConnection } from '../io/tier.js';
import { Admission } from './admission.js';
import { DohService } from './doh.js';
import { faultReporter } from './fault-reporter.js';
import { openLedger } from './open-ledger.js';
import type { Credentials, EncryptedOptions, FromWorker, ToWorker, WorkerStart } from './protocol.js';
import { Responder } from './responder.js';
import { TcpService } from './tcp.js';

const HANDSHAKE_MS = 5000;
const TICK_MS = 1000;
/** Bytes that may wait for a slow reader on one connection. */
const WRITE_QUEUE_MAX = 256 * 1024;
/** Requests at once on one HTTP/2 connection (RFC 9113 §6.5.2 recommends no less than 100). */
const STREAMS_MAX = 100;
/** Of one HTTP/2 connection, megabytes. */
const SESSION_MEMORY_MAX = 1;

interface Secured {
  setSecureContext(credentials: Credentials): void;
}

/**
 * The thread of DNS over TLS (RFC 7858) and HTTPS (RFC 8484), on node's own event loop. The answers are those of the
 * DNS workers: same snapshot, same health words.
 */
async function main(start: WorkerStart, encrypted: EncryptedOptions): Promise<void> {
  const port = parentPort!;
  const say = (message: FromWorker) => port.postMessage(message);
  const now = () => performance.now();
  const responder = new Responder(start, faultReporter(say, now), openLedger(start, say));
  const { counters } = start;
  const limits = start.options.tcp;
  const admission = new Admission(limits, counters, now());
  const sockets = new WeakMap<StreamConnection, TLSSocket>();
  const tcp = new TcpService(responder.dot, limits, counters, now(), {
    // The door counts the others, for all connections.
    counters: { refused: COUNTER.TLS_REFUSED },
    asked(connection) {
      const socket = sockets.get(connection);
      if (socket) admission.asked(socket);
    },
  });
  responder.keepalive = () => admission.keepalive;
  responder.tick(Date.now());
  const servers: { dot?: Secured; doh?: Secured } = {};
  let service: DohService | undefined;
  const timer = setInterval(() => {
    admission.tick(now());
    tcp.tick(now());
    service?.tick(now());
    responder.tick(Date.now());
  }, TICK_MS);
  port.on('message', (message: ToWorker) => {
    if (message.type === 'credentials') servers[message.of]?.setSecureContext(secure(message.credentials));
    else if (message.type === 'snapshot') {
      responder.use(message.snapshot);
      say({ type: 'applied', id: message.snapshot.id });
    } else {
      clearInterval(timer);
      admission.close();
      say({ type: 'closed' });
      port.close();
    }
  });
  try {
    const { dot, doh } = encrypted;
    if (dot) {
      const server = dotServer(dot.credentials, tcp, sockets);
      admission.watch(server);
      servers.dot = server;
      for (const address of dot.listen) await admission.listen(address, server);
    }
    if (doh) {
      const { path } = doh;
      const options = { path, maxQueries: limits.maxQueries, writeQueueMax: WRITE_QUEUE_MAX };
      service = new DohService(responder.doh, options, { counters, door: admission }, now());
      const server = dohServer(doh.credentials, service);
      admission.watch(server);
      servers.doh = server;
      for (const address of doh.listen) await admission.listen(address, server);
    }
  } catch (error) {
    if (!(error instanceof ListenError)) throw error;
    say({ type: 'failed', code: error.code, address: error.address, message: error.message });
    clearInterval(timer);
    admission.close();
    port.close();
    return;
  }
  say({ type: 'serving', wakeFd: -1, descriptors: [] });
}

function secure({ cert, key }: Credentials) {
  return { cert, key, minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3' } as const;
}

function dotServer(credentials: Credentials, tcp: TcpService, sockets: WeakMap<StreamConnection, TLSSocket>) {
  const options = { ...secure(credentials), ALPNProtocols: ['dot'], handshakeTimeout: HANDSHAKE_MS };
  return createTlsServer(options, (socket: TLSSocket) => {
    const source = new Uint8Array(16);
    if (!addressBytes(socket.remoteAddress ?? '', source)) return void socket.destroy();
    const family = socket.remoteFamily === 'IPv6' ? 6 : 4;
    const connection = new PortableConnection(socket, family, source, tcp, WRITE_QUEUE_MAX);
    sockets.set(connection, socket);
    connection.start();
  });
}

function dohServer(credentials: Credentials, service: DohService) {
  const server = createSecureServer({
    ...secure(credentials),
    allowHTTP1: true,
    handshakeTimeout: HANDSHAKE_MS,
    maxSessionMemory: SESSION_MEMORY_MAX,
    maxHeaderListPairs: 64,
    settings: { maxConcurrentStreams: STREAMS_MAX, enablePush: false, maxHeaderListSize: 16_384 },
  });
  server.on('secureConnection', (socket) => service.opened(socket));
  server.on('request', (request, response) => service.handle(request, response));
  server.on('sessionError', () => {});
  server.on('clientError', (_, socket) => socket.destroy());
  return server;
}

const start = workerData as WorkerStart;
if (start.encrypted) await main(start, start.encrypted);
