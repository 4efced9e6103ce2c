import { describe, expect, it } from 'vitest';
import { EPOLL } from '../../../../src/io/batched/linux.js';
import type { DatagramHandler } from '../../../../src/io/tier.js';
import { XdpListener } from '../../../../src/io/xdp/listener.js';
import { FRAMES } from '../../../../src/io/xdp/queue.js';
import { clientOf, frame, received, serverOf } from '../../../support/ethernet-frame.js';
import { drawsOf } from '../../../support/pick-context.js';
import { XdpKernel } from '../../../support/xdp-kernel.js';

const ENOBUFS = 105;
const EBUSY = 16;
const ALL = Array.from({ length: FRAMES }, (_, i) => i);

/** Answers with the query and its own length; nothing to queries that begin with 0. */
const handler: DatagramHandler = (input, start, end, output, base) => {
  if (input[start] === 0) return 0;
  output[base + end - start] = end - start;
  return end - start + 1;
};

function listen(start = 0, handle = handler) {
  const kernel = new XdpKernel(start);
  const polled = new Map<number, number>();
  const poller = {
    add: (fd: number, events: number) => void polled.set(fd, events),
    remove: (fd: number) => void polled.delete(fd),
  };
  const listener = new XdpListener(kernel.queue, {
    linux: kernel.linux,
    poller,
    handler: handle,
    datagramMax: 1232,
  });
  return { kernel, listener, polled };
}

const query = (...payload: readonly number[]) => frame({ family: 4, payload: Uint8Array.from(payload) });

describe('XdpListener', () => {
  it('answers in the frame that brought the query, and gives it back when it has left', () => {
    const { kernel, listener } = listen();
    kernel.deliver(query(1, 2, 3));
    kernel.deliver(frame({ family: 6, payload: Uint8Array.of(4) }));
    listener.serve();
    expect(kernel.sent.map(received)).toMatchObject([
      { family: 4, source: serverOf(4), destination: clientOf(4), payload: Uint8Array.of(1, 2, 3, 3) },
      { family: 6, source: serverOf(6), destination: clientOf(6), payload: Uint8Array.of(4, 1) },
    ]);
    expect(kernel.rings.fill.waiting).toBe(FRAMES - 2);
    kernel.complete();
    kernel.deliver(query(0));
    listener.serve();
    expect(kernel.rings.fill.waiting).toBe(FRAMES);
    expect(kernel.owned()).toEqual(ALL);
  });

  it('tells the handler who asked', () => {
    const sources: string[] = [];
    const { kernel, listener } = listen(
      0,
      (_input, _start, _end, _output, _base, source, sourceAt, family) => {
        sources.push([...source.subarray(sourceAt, sourceAt + (family === 4 ? 4 : 16))].join('.'));
        return 0;
      },
    );
    kernel.deliver(query(1));
    kernel.deliver(frame({ family: 6, payload: Uint8Array.of(1) }));
    listener.serve();
    expect(sources).toEqual([clientOf(4).join('.'), clientOf(6).join('.')]);
  });

  it.each<[string, Uint8Array, number?]>([
    ['no datagram', query(1).subarray(0, 30)],
    ['wrong lengths', frame({ family: 4, payload: Uint8Array.of(1), over: { 39: 99 } })],
    ['no answer', query(0)],
    ['an odd address', query(1), 257],
    ['no room for the largest answer', query(1), 2048 - 60],
  ])('gives the frame back to the kernel at once: %s', (_, some, at) => {
    const { kernel, listener } = listen();
    kernel.deliver(some, at);
    listener.serve();
    expect(kernel.sent).toEqual([]);
    expect(kernel.rings.fill.waiting).toBe(FRAMES);
    expect(kernel.owned()).toEqual(ALL);
  });

  it.each([
    ['EBUSY', EBUSY],
    ['EAGAIN', 11],
    ['ENOBUFS', ENOBUFS],
  ])('keeps answers for the next time where send(2) says %s, and does not insist', (_, errno) => {
    const { kernel, listener } = listen();
    kernel.errno = errno;
    for (let i = 0; i < 100; i++) kernel.deliver(query(1));
    listener.serve();
    expect(kernel.rings.send.waiting).toBe(100);
    expect(kernel.sends).toBeLessThanOrEqual(16);
    kernel.errno = 0;
    listener.serve();
    expect(kernel.sent).toHaveLength(100);
    expect(kernel.owned()).toEqual(ALL);
  });

  it('calls the kernel only where it wants that', () => {
    const { kernel, listener } = listen();
    kernel.needWakeup('send', false);
    kernel.deliver(query(1));
    listener.serve();
    expect([kernel.sends, kernel.receives, kernel.rings.send.waiting]).toEqual([0, 0, 1]);
    kernel.needWakeup('send', true);
    kernel.needWakeup('fill', true);
    listener.serve();
    expect([kernel.sends, kernel.receives, kernel.rings.send.waiting]).toEqual([1, 1, 0]);
  });

  it('gives others their turn: 512 frames at a time', () => {
    const { kernel, listener } = listen();
    for (let i = 0; i < 600; i++) kernel.deliver(query(1));
    listener.serve();
    expect(kernel.rings.receive.waiting).toBe(600 - 512);
    listener.serve();
    expect(kernel.sent).toHaveLength(600);
  });

  it('loses the frames that a thread died of, and does not find them again', () => {
    const { kernel, listener } = listen(0, () => {
      throw new Error('a fault');
    });
    for (let i = 0; i < 40; i++) kernel.deliver(query(1));
    expect(() => listener.serve()).toThrow('a fault');
    expect(kernel.rings.receive.waiting).toBe(8);
    expect(kernel.owned()).toHaveLength(FRAMES - 32);
    expect(new Set(kernel.owned()).size).toBe(FRAMES - 32);
  });

  it('is polled until it is closed', () => {
    const { listener, polled } = listen();
    expect(polled).toEqual(new Map([[77, EPOLL.IN]]));
    listener.close();
    expect(polled.size).toBe(0);
  });

  it.each([
    ['0', 0],
    ['2^31', 2 ** 31 - 5000],
    ['2^32', 2 ** 32 - 5000],
  ])('loses and doubles no frame in 10,000 random rounds, where indexes pass %s', (_, start) => {
    const { kernel, listener } = listen(start);
    const draw = drawsOf(start);
    const below = (most: number) => Math.floor(draw() * most);
    const frames = [
      query(0),
      query(1, 2),
      query(3).subarray(0, 40),
      frame({ family: 6, payload: new Uint8Array(20).fill(9) }),
    ];
    let answerable = 0;
    for (let round = 0; round < 10_000; round++) {
      kernel.errno = draw() < 0.2 ? [11, EBUSY, ENOBUFS, 4][below(4)]! : 0;
      for (let i = below(draw() < 0.02 ? 3000 : 8); i > 0; i--) {
        const which = below(frames.length);
        if (kernel.deliver(frames[which]!)) answerable += which % 2;
      }
      if (draw() < 0.9) listener.serve();
      kernel.complete(below(40));
      if (round % 100 === 0) expect(kernel.owned()).toEqual(ALL);
    }
    kernel.errno = 0;
    for (let i = 0; i < 10; i++) {
      listener.serve();
      kernel.complete();
      kernel.deliver(query(0));
    }
    listener.serve();
    expect(kernel.sent).toHaveLength(answerable);
    expect(kernel.owned()).toEqual(ALL);
    expect(kernel.rings.fill.waiting).toBe(FRAMES);
  });
});
