import { describe, expect, it } from 'vitest';
import type { ListenerModel } from '../../../src/core/balance/model.js';
import type { Connection, ConnectionHandler, Network } from '../../../src/io/network.js';
import type { ListenerModules } from '../../../src/proxy/l7/http-listener.js';
import { type ConnectionGuard, NOT_ADMITTED } from '../../../src/proxy/limit/connection-guard.js';
import { LISTENER_EVENT } from '../../../src/proxy/listener-events.js';
import { newCounters, ProxyListener, type Renewal, type Serve } from '../../../src/proxy/proxy-listener.js';

const ADDRESS = { host: '127.0.0.1', port: 80 };

/** A listener whose network the test is; `connect` is what a client's connection gets, null if it is closed. */
async function rig(options: Partial<ConstructorParameters<typeof ProxyListener>[0]>) {
  const clock = { nowMs: 0 };
  let accept: (connection: Connection) => ConnectionHandler | null = () => null;
  const network = {
    get nowMs() {
      return clock.nowMs;
    },
    async listen(_address: unknown, _options: unknown, take: typeof accept) {
      accept = take;
      return { address: ADDRESS, close() {}, retire() {} };
    },
  } as unknown as Network;
  const closers: (() => void)[] = [];
  const serve: Serve = (_connection, onClosed) => {
    const session = {
      sessionSlot: -1,
      ...{ drain() {}, destroy() {}, onOpen() {}, onData() {}, onDrain() {}, onEnd() {}, onClose() {} },
    };
    closers.push(() => onClosed(session));
    return session;
  };
  const counters = newCounters(ADDRESS);
  let renewal: Renewal = { connectionsMax: 1000, serve };
  const listener = new ProxyListener(
    { network, address: ADDRESS, connectionsMax: 1000, shared: false, tls: null, ...options },
    counters,
    serve,
    () => renewal,
  );
  await listener.start('listeners[0].listen');
  const connect = () =>
    accept({ remote: { host: '192.0.2.1', port: 1 }, destroy() {} } as unknown as Connection);
  const open = (times: number): number =>
    Array.from({ length: times }, connect).filter((one) => one !== null).length;
  const renew = (next: Partial<Renewal>): void => {
    renewal = { connectionsMax: 1000, serve, ...next };
    listener.renew({} as ListenerModel, new Map(), { tls: null } as unknown as ListenerModules);
  };
  return { clock, counters, open, renew, closers };
}

describe('a limit of handshakes', () => {
  it('closes what is too many at once, and counts it', async () => {
    const { clock, counters, open } = await rig({ handshakes: { perSecond: 10, burst: 3 } });
    expect(open(8)).toBe(3);
    expect(counters.events[LISTENER_EVENT.refused_handshakes]).toBe(5);
    expect(counters.active).toBe(3);
    clock.nowMs = 200;
    expect(open(8)).toBe(2);
  });

  it('goes on where it was after a reload, but for another rate', async () => {
    const { open, renew } = await rig({ handshakes: { perSecond: 10, burst: 3 } });
    expect(open(8)).toBe(3);
    renew({ handshakes: { perSecond: 10, burst: 3 } });
    expect(open(8)).toBe(0);
    renew({ handshakes: { perSecond: 10, burst: 4 } });
    expect(open(8)).toBe(4);
    renew({ handshakes: null });
    expect(open(8)).toBe(8);
  });

  it('asks after the limits of the client, so that one source does not use up the handshakes of all', async () => {
    let places = 0;
    const guard = {
      enter: () => (places >= 2 ? NOT_ADMITTED : places++),
      leave: () => places--,
    } as unknown as ConnectionGuard;
    const first = await rig({ guard, handshakes: { perSecond: 1, burst: 3 } });
    expect(first.open(50)).toBe(2);
    expect(first.counters.events[LISTENER_EVENT.refused_handshakes]).toBe(0);
    // Two places are free again, and one handshake is left: its place is given back by the one that has none.
    for (const close of first.closers) close();
    expect(first.open(2)).toBe(1);
    expect(places).toBe(1);
    expect(first.counters.events[LISTENER_EVENT.refused_handshakes]).toBe(1);
  });
});
