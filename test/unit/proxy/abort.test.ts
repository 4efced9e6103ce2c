import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { abort } from '../../../src/proxy/abort.js';

/** Two ends of one connection; what they are not told to do they don't. */
async function pair(): Promise<{ near: Socket; far: Socket; close: () => void }> {
  const server = createServer({ allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const near = connect({
    port: (server.address() as AddressInfo).port,
    host: '127.0.0.1',
    allowHalfOpen: true,
  });
  const [far] = (await once(server, 'connection')) as [Socket];
  for (const socket of [near, far]) socket.on('error', () => {});
  if (near.connecting) await once(near, 'connect');
  return { near, far, close: () => server.close() };
}

describe('abort()', () => {
  it.each([
    ['an open socket', () => {}],
    ['a socket whose end is under way', (socket: Socket) => void socket.end()],
    ['a socket that wrote its last', (socket: Socket) => void socket.end('x'.repeat(1_000_000))],
    ['a socket that is destroyed', (socket: Socket) => void socket.destroy()],
  ])('closes %s, and says so', async (_, before) => {
    const { near, far, close } = await pair();
    const closed = once(near, 'close');
    before(near);
    abort(near);
    await closed;
    expect(near.destroyed).toBe(true);
    far.destroy();
    close();
  });
});
