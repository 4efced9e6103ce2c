import { EventEmitter, once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { COUNTER } from '../../../src/core/answer/counters.js';
import { Admission } from '../../../src/dataplane/admission.js';
import type { TcpLimits } from '../../../src/dataplane/protocol.js';
import { ListenError, type SocketAddress } from '../../../src/io/tier.js';
import { tcpLimits } from '../../support/tcp-limits.js';
import { until } from '../../support/tier-rig.js';

const LIMITS = tcpLimits({ maxConnections: 3, idleTimeoutMs: 10_000, lifetimeMs: 60_000, maxPerClient: 3 });

/** In place of node's TLS server: it gets connections, and the test says when a handshake is done. */
class FakeTls extends EventEmitter {
  readonly raw: Socket[] = [];

  constructor() {
    super();
    this.on('connection', (socket: Socket) => this.raw.push(socket.resume()));
  }

  /** The handshake on the connection at `index` is done. The raw socket stands for the one of TLS. */
  finish(index: number): void {
    this.emit('secureConnection', this.raw[index] as TLSSocket);
  }
}

describe('Admission', () => {
  const cleanup: (() => void)[] = [];
  afterEach(() => {
    for (const end of cleanup.splice(0)) end();
  });

  async function door(limits: Partial<TcpLimits> = {}, host = '127.0.0.1') {
    const counters = new Float64Array(COUNTER.SIZE);
    const admission = new Admission({ ...LIMITS, ...limits }, counters, 0);
    const tls = new FakeTls();
    admission.watch(tls);
    const address = await admission.listen({ host, port: 0 }, tls);
    cleanup.push(() => admission.close());
    /** Resolves when the connection was let in or closed. */
    const open = async (localAddress?: string) => {
      const before = counters[COUNTER.TLS_ACCEPTED]! + counters[COUNTER.TLS_REFUSED]!;
      const socket = createConnection({ ...address, ...(localAddress ? { localAddress } : {}) });
      socket.on('error', () => {}).resume();
      cleanup.push(() => socket.destroy());
      await once(socket, 'connect');
      await until(() => counters[COUNTER.TLS_ACCEPTED]! + counters[COUNTER.TLS_REFUSED]! > before);
      return socket;
    };
    const counts = () => ({
      accepted: counters[COUNTER.TLS_ACCEPTED],
      refused: counters[COUNTER.TLS_REFUSED],
      failed: counters[COUNTER.TLS_FAILED],
      timeout: counters[COUNTER.TLS_TIMEOUT],
      slow: counters[COUNTER.TLS_SLOW],
    });
    return { admission, tls, address, open, counts, counters };
  }

  const NONE = { accepted: 0, refused: 0, failed: 0, timeout: 0, slow: 0 };
  const closed = (socket: Socket) => until(() => socket.closed);

  it.each(['127.0.0.1', '::1'])('lets connections in at %s and gives their place back', async (host) => {
    const { admission, tls, open, counts } = await door({}, host);
    const [first] = [await open(), await open(), await open()];
    expect([admission.connections, tls.raw.length]).toEqual([3, 3]);
    first!.destroy();
    await until(() => admission.connections === 2);
    await open();
    expect(counts()).toEqual({ ...NONE, accepted: 4 });
  });

  it('lets one client have its share only: its next connection displaces its own', async () => {
    const { admission, tls, open, counts } = await door({ maxConnections: 10, maxPerClient: 2 });
    const other = await open('127.0.0.2');
    const [first, second] = [await open(), await open()];
    tls.finish(1);
    admission.asked(tls.raw[1]!);
    await open();
    await closed(second);
    expect([other.closed, first.closed, admission.connections]).toEqual([false, false, 3]);
    // None that has just asked gives way, and nothing is spent on a handshake.
    tls.finish(3);
    admission.asked(tls.raw[3]!);
    await closed(await open());
    expect([admission.connections, tls.raw.length]).toEqual([3, 4]);
    expect(counts()).toEqual({ ...NONE, accepted: 4, refused: 1, timeout: 1 });
  });

  it('makes room: first goes the oldest that never asked, whether its handshake is done or not', async () => {
    const { admission, tls, open, counts } = await door();
    const sockets = [await open(), await open(), await open()];
    tls.finish(0);
    admission.asked(tls.raw[0]!);
    tls.finish(1);
    await open('127.0.0.2');
    await closed(sockets[1]!);
    await open('127.0.0.2');
    await closed(sockets[2]!);
    expect([sockets[0]!.closed, admission.connections]).toEqual([false, 3]);
    expect(counts()).toEqual({ ...NONE, accepted: 5, timeout: 2 });
  });

  it('makes room: then goes the one that is idle longest; none that has just asked', async () => {
    const { admission, tls, open, counts } = await door();
    const sockets = [await open(), await open(), await open()];
    for (const index of [0, 1, 2]) tls.finish(index);
    for (const [at, index] of [0, 2, 1].entries()) {
      admission.tick(1000 * at);
      admission.asked(tls.raw[index]!);
    }
    await open('127.0.0.2');
    await closed(sockets[0]!);
    tls.finish(3);
    for (const socket of tls.raw) admission.asked(socket);
    await closed(await open('127.0.0.3'));
    expect([sockets[1]!.closed, sockets[2]!.closed]).toEqual([false, false]);
    expect(counts()).toEqual({ ...NONE, accepted: 4, refused: 1, timeout: 1 });
  });

  it('closes who asks nothing after the handshake, however many bytes come', async () => {
    const { admission, tls, open, counts } = await door();
    const [silent, busy, young] = [await open(), await open(), await open()];
    tls.finish(0);
    tls.finish(1);
    admission.tick(6000);
    admission.asked(tls.raw[1]!);
    silent!.write('bytes');
    admission.tick(9999);
    expect(admission.connections).toBe(3);
    admission.tick(10_000);
    await closed(silent!);
    // The TLS server itself ends handshakes that take too long.
    expect([busy!.closed, young!.closed, admission.connections]).toEqual([false, false, 2]);
    admission.tick(16_000);
    await closed(busy!);
    expect(counts()).toEqual({ ...NONE, accepted: 3, timeout: 2 });
  });

  it('closes a connection of a certain age, however busy it is, and counts it once', async () => {
    const { admission, tls, open, counts } = await door();
    const socket = await open();
    tls.finish(0);
    for (let nowMs = 0; nowMs < 60_000; nowMs += 5000) {
      admission.tick(nowMs);
      admission.asked(tls.raw[0]!);
    }
    expect(admission.connections).toBe(1);
    admission.tick(60_000);
    admission.tick(61_000);
    await closed(socket);
    expect(counts()).toEqual({ ...NONE, accepted: 1, timeout: 1 });
  });

  it('closes who is too slow, and counts it once', async () => {
    const { admission, tls, open, counts } = await door();
    const socket = await open();
    tls.finish(0);
    const ends = tls.raw[0]!;
    admission.tooSlow(ends);
    admission.tooSlow(ends);
    await closed(socket);
    expect([admission.connections, counts()]).toEqual([0, { ...NONE, accepted: 1, slow: 1 }]);
  });

  it('counts handshakes that fail, and closes their connections', async () => {
    const { admission, tls, open, counts } = await door();
    const socket = await open();
    tls.emit('tlsClientError', new Error('no'), tls.raw[0]);
    await closed(socket);
    await until(() => admission.connections === 0);
    expect(counts()).toEqual({ ...NONE, accepted: 1, failed: 1 });
  });

  it('asks clients to close when its table is nearly full (RFC 7828 §3.3.2)', async () => {
    const { admission, open } = await door({ maxConnections: 3, idleTimeoutMs: 30_000 });
    const units = [admission.keepalive];
    for (let i = 0; i < 3; i++) {
      await open();
      units.push(admission.keepalive);
    }
    expect(units).toEqual([300, 300, 300, 0]);
  });

  it('says which address is taken', async () => {
    const { address } = await door();
    const listen = async (taken: SocketAddress) => {
      const other = new Admission(LIMITS, new Float64Array(COUNTER.SIZE), 0);
      await other.listen(taken, new FakeTls());
    };
    await expect(listen(address)).rejects.toBeInstanceOf(ListenError);
    await expect(listen(address)).rejects.toMatchObject({ code: 'EADDRINUSE', address });
  });

  it('closes its sockets and all connections', async () => {
    const { admission, address, open } = await door();
    const socket = await open();
    admission.close();
    await closed(socket);
    const refused = createConnection({ ...address });
    expect((await once(refused, 'error'))[0]).toMatchObject({ code: 'ECONNREFUSED' });
  });
});
