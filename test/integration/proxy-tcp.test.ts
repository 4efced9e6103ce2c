import type { Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { backend, CHECK, client, endAll, inBothTiers, startRig, waitFor } from './proxy-rig.js';

afterEach(endAll);

inBothTiers('a TCP listener', () => {
  it('carries bytes both ways, and each half-close by itself', async () => {
    const port = await backend((socket) => {
      let all = '';
      socket.write('greeting ');
      socket.on('data', (chunk) => {
        all += chunk.toString();
      });
      // The answer comes only after the client's end: it must pass a half-closed connection.
      socket.on('end', () => socket.end(`answer to ${all}`));
    });
    const rig = await startRig({ ports: [port], protocol: 'tcp' });
    const raw = client(rig.port).send('question');
    await raw.until((t) => t === 'greeting ');
    raw.socket.end();
    expect(await raw.untilEnd()).toBe('greeting answer to question');
    expect(raw.error).toBeNull();
    await waitFor(() => rig.proxy.listeners[0]!.counters.active === 0, 'the session to be forgotten');
    expect(rig.proxy.pools.get('web')!.activeOf(0)).toBe(0);
  });

  it('lets the endpoint half-close first', async () => {
    let got = '';
    const port = await backend((socket) => {
      socket.end('bye');
      socket.on('data', (chunk) => {
        got += chunk.toString();
      });
    });
    const rig = await startRig({ ports: [port], protocol: 'tcp' });
    const raw = client(rig.port);
    expect(await raw.untilEnd()).toBe('bye');
    raw.send('still here');
    await waitFor(() => got === 'still here', 'the bytes after the half-close');
    raw.socket.end();
    await raw.closed();
  });

  it('stops the sender when the reader is slow, and loses nothing', async () => {
    const size = 32 * 1024 * 1024;
    let reader: Socket | undefined;
    let got = 0;
    const port = await backend((socket) => {
      reader = socket;
      socket.pause();
      socket.on('data', (chunk) => {
        got += chunk.length;
      });
      socket.pause();
    });
    const rig = await startRig({ ports: [port], protocol: 'tcp' });
    const raw = client(rig.port).send(Buffer.alloc(size, 1));
    raw.socket.end();
    const counters = rig.proxy.listeners[0]!.counters;
    let before = -1;
    await waitFor(() => {
      const still = counters.bytesIn > 0 && counters.bytesIn === before;
      before = counters.bytesIn;
      return still;
    }, 'the stream to stall');
    expect(counters.bytesIn).toBeLessThan(size);
    reader!.resume();
    await waitFor(() => got === size, 'all bytes');
  });

  it('passes a reset on as a reset', async () => {
    const port = await backend((socket) => {
      socket.once('data', () => socket.resetAndDestroy());
    });
    const rig = await startRig({ ports: [port], protocol: 'tcp' });
    const raw = client(rig.port).send('x');
    await raw.closed();
    expect(raw.error?.code).toBe('ECONNRESET');
  });

  it('tries the next endpoint when one refuses, with nothing of the client lost', async () => {
    const alive = await backend((socket) => socket.pipe(socket));
    const rig = await startRig({ ports: [1, alive], protocol: 'tcp' });
    for (let i = 0; i < 4; i++)
      await client(rig.port)
        .send(`hello ${i}`)
        .until((t) => t === `hello ${i}`);
    expect(rig.proxy.pools.get('web')!.endpoints[0]!.connectFailures).toBeGreaterThan(0);
  });

  it('resets the client when nothing is up', async () => {
    const port = await backend(() => {});
    const rig = await startRig({ ports: [port], protocol: 'tcp', pool: { health: CHECK } });
    rig.checker.set(`web/127.0.0.1:${port}`, false);
    const raw = client(rig.port);
    await raw.closed();
    expect(raw.error?.code).toBe('ECONNRESET');
  });

  it('ends a session on which nothing moves', async () => {
    const port = await backend(() => {});
    const rig = await startRig({ ports: [port], protocol: 'tcp', timeouts: { tunnelIdleMs: 80 } });
    await client(rig.port).untilEnd();
    await waitFor(() => rig.proxy.pools.get('web')!.endpoints[0]!.connections === 0, 'the end of both sides');
  });

  it('lets a session end by itself when drained', async () => {
    const port = await backend((socket) => socket.pipe(socket));
    const rig = await startRig({ ports: [port], protocol: 'tcp' });
    const raw = client(rig.port).send('a');
    await raw.until((t) => t === 'a');
    const closed = rig.drain(5_000);
    raw.send('b');
    await raw.until((t) => t === 'ab');
    raw.socket.end();
    await raw.untilEnd();
    await closed;
  });
});
