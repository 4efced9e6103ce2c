// Clients that no other load generator offers, as a process of its own: node proxy-client.mjs MODE PORT COUNT SECONDS
//
//   idle       opens COUNT connections, one request on each, then holds them until its input ends
//   full       TLS handshakes one after another on COUNT lanes, each without a session
//   resumed    the same, each with the session of the first connection
//
// It prints one line of JSON: { count, failed, resumed }.
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { HOST } from './proxy-servers.mjs';

const [mode, portText, countText, secondsText] = process.argv.slice(2);
const [port, count, seconds] = [portText, countText, secondsText].map(Number);
const REQUEST = `GET /api/small HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`;
/** Connections that are being opened at once: more would overflow the queue of the listener. */
const OPENING = 200;
const tally = { count: 0, failed: 0, resumed: 0 };

if (mode === 'idle') await idle();
else await handshakes(mode === 'resumed');

async function idle() {
  const sockets = [];
  const lane = async () => {
    while (sockets.length < count) {
      const socket = connect({ host: '127.0.0.1', port });
      sockets.push(socket);
      socket.on('error', () => {});
      await new Promise((done) => {
        socket.once('connect', () => socket.write(REQUEST));
        socket.once('data', () => {
          tally.count++;
          done();
        });
        socket.once('close', () => {
          tally.failed++;
          done();
        });
      });
    }
  };
  await Promise.all(Array.from({ length: OPENING }, lane));
  console.log(JSON.stringify(tally));
  process.stdin.resume().on('end', () => process.exit(0));
}

async function handshakes(resume) {
  const session = resume ? await firstSession() : undefined;
  const endMs = performance.now() + seconds * 1000;
  const lane = async () => {
    while (performance.now() < endMs) await one(session);
  };
  await Promise.all(Array.from({ length: count }, lane));
  console.log(JSON.stringify(tally));
}

/** TLS 1.3 gives its tickets after the handshake: a request is made, and the answer awaited. */
function firstSession() {
  return new Promise((resolve, reject) => {
    const socket = open(undefined);
    socket.once('session', (session) => {
      resolve(session);
      socket.destroy();
    });
    socket.once('error', reject);
    socket.once('secureConnect', () => socket.write(REQUEST));
    socket.resume();
  });
}

function one(session) {
  return new Promise((done) => {
    const socket = open(session);
    socket.once('secureConnect', () => {
      tally.count++;
      if (socket.isSessionReused()) tally.resumed++;
      socket.destroy();
    });
    socket.once('error', () => {
      tally.failed++;
    });
    socket.once('close', done);
  });
}

function open(session) {
  const options = { host: '127.0.0.1', port, servername: HOST, rejectUnauthorized: false };
  return connectTls({ ...options, ALPNProtocols: ['http/1.1'], ...(session ? { session } : {}) });
}
