// The endpoints of scripts/bench/probes.mjs: one server that answers every HTTP request with 200. It listens on all of
// 127.0.0.0/8, so that each address of it is an endpoint.
import { createServer } from 'node:net';

const RESPONSE = Buffer.from(
  'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n',
);

const server = createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => {});
  socket.once('data', () => socket.end(RESPONSE));
});
server.listen({ port: 0, host: '0.0.0.0', backlog: 4096 }, () => process.send(server.address().port));
process.on('disconnect', () => process.exit());
