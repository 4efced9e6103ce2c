/** Clients and endpoints that attack what the proxy does for traffic: compression, kept responses, retries, hedges. */

import type { Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { DEFAULT_RETRIES } from '../../src/core/limit/retry.js';
import type { Encoder, EncoderOwner, Encoders } from '../../src/proxy/compression/encoder.js';
import { NO_TLS } from '../../src/proxy/tls.js';
import {
  backend,
  client,
  endAll,
  exchange,
  httpBackend,
  inBothTiers,
  ok,
  startRig,
  waitFor,
} from './proxy-rig.js';

afterEach(endAll);

const PAGE = 'text '.repeat(1000);
const HTML = 'Content-Type: text/html\r\n';
const GET = 'GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n';

/** Passes bytes as they are, and ends when the test says. */
class HeldEncoders implements Encoders {
  readonly codings: ReadonlySet<'gzip'> = new Set(['gzip'] as const);
  readonly finish: (() => void)[] = [];
  ended = 0;

  open(_options: unknown, owner: EncoderOwner): Encoder {
    this.finish.push(() => owner.onEncoderEnd());
    return {
      write: () => true,
      end: () => {
        this.ended++;
      },
      pause() {},
      resume() {},
      cancel() {},
    };
  }
}

inBothTiers('compression', () => {
  it('does not keep a connection whose endpoint has closed it while the body was compressed', async () => {
    const requests: number[] = [];
    const port = await backend((socket, number) => {
      socket.on('data', () => {
        requests.push(number);
        socket.write(ok(PAGE, HTML));
        if (number === 0) socket.end();
      });
    });
    const encoders = new HeldEncoders();
    const rig = await startRig({ ports: [port], compression: {}, encoders });
    const peer = client(rig.port).send(GET);
    await waitFor(() => encoders.ended === 1, 'the body');
    // The end of the connection comes right after it.
    await new Promise((resolve) => setTimeout(resolve, 50));
    encoders.finish[0]!();
    await peer.until((text) => text.endsWith('0\r\n\r\n'));
    const post = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx';
    expect(await exchange(rig.port, post)).toContain('HTTP/1.1 200 OK');
    expect(requests).toEqual([0, 1]);
  });

  it('an endpoint that goes on after its response is stopped while the body is compressed', async () => {
    let taken = 0;
    let endpoint: Socket | null = null;
    const block = Buffer.alloc(64 * 1024, 'x');
    const port = await backend((socket) => {
      endpoint = socket;
      socket.once('data', () => {
        socket.write(ok(PAGE, HTML));
        const fill = (): void => {
          while (taken < 64 * 1024 * 1024 && !socket.destroyed) {
            taken += block.length;
            if (!socket.write(block)) break;
          }
        };
        socket.on('drain', fill);
        fill();
      });
    });
    const encoders = new HeldEncoders();
    const rig = await startRig({ ports: [port], compression: {}, encoders });
    const peer = client(rig.port).send(GET);
    let before = -1;
    let same = 0;
    await waitFor(() => {
      same = taken === before && taken > 0 ? same + 1 : 0;
      before = taken;
      return same > 40;
    }, 'the endpoint to be stopped');
    expect(taken).toBeLessThan(48 * 1024 * 1024);
    encoders.finish[0]!();
    await peer.until((text) => text.endsWith('0\r\n\r\n'));
    await waitFor(() => endpoint!.destroyed, 'the connection to be closed');
  });
});

inBothTiers('hedges', () => {
  it('of a request that was answered after a reload ask nobody for the next one of its connection', async () => {
    const seen: string[] = [];
    const answers: (() => void)[] = [];
    const ask = (name: string) => (head: string, socket: Socket) => {
      seen.push(`${name} ${head.slice(0, 6)}`);
      answers.push(() => socket.write(ok('well')));
      return null;
    };
    const ports = [await httpBackend(ask('a')), await httpBackend(ask('b'))];
    const retries = { ...DEFAULT_RETRIES, hedgeMs: 150 };
    const { proxy, model, port } = await startRig({ ports, pool: { balance: 'first', retries } });
    const peer = client(port).send('GET /1 HTTP/1.1\r\nHost: a\r\n\r\n');
    await waitFor(() => answers.length === 1, 'the first request');
    const pools = model.pools.map((pool) => ({ ...pool, overprovisioning: 2 }));
    expect(await proxy.apply({ ...model, pools }, NO_TLS)).toEqual([]);
    answers[0]!();
    await peer.until((text) => text.endsWith('well'));
    peer.send('POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n');
    await waitFor(() => answers.length === 2, 'the second request');
    // Longer than the hedge of the first one waits.
    await new Promise((resolve) => setTimeout(resolve, 300));
    answers[1]!();
    await peer.until((text) => text.split('well').length === 3);
    expect(seen).toEqual(['a GET /1', 'a POST /']);
    for (const { index } of proxy.pools.get('web')!.endpoints) {
      expect(proxy.pools.get('web')!.activeOf(index)).toBe(0);
    }
  });
});
