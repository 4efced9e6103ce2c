import { describe, expect, it } from 'vitest';
import type { XdpGate } from '../../../../src/io/xdp/gate.js';
import { XdpGates } from '../../../../src/io/xdp/gates.js';
import type { XdpQueue } from '../../../../src/io/xdp/queue.js';

/** An interface of `count` queues, and what was done to them. */
function gateOf(name: string, count: number) {
  const done: string[] = [];
  const queues = Array.from({ length: count }, (_, index) => ({ interface: name, index }) as XdpQueue);
  const gate: Pick<XdpGate, 'name' | 'queues' | 'connect' | 'disconnect' | 'close'> = {
    name,
    queues,
    connect: ({ index }) => void done.push(`+${index}`),
    disconnect: ({ index }) => void done.push(`-${index}`),
    close: () => void done.push('closed'),
  };
  return { gate, done };
}

const namesOf = (queues: readonly XdpQueue[]) => queues.map((queue) => `${queue.interface}/${queue.index}`);

describe('XdpGates', () => {
  it.each<[workers: number, queues: readonly number[], shares: readonly (readonly string[])[]]>([
    [1, [3], [['a/0', 'a/1', 'a/2']]],
    [2, [3], [['a/0', 'a/2'], ['a/1']]],
    [2, [1, 2], [['a/0', 'b/0'], ['b/1']]],
    [3, [1], [['a/0'], [], []]],
    [2, [], [[], []]],
  ])('give each of %d workers its share of %j queues', (workers, counts, shares) => {
    const gates = new XdpGates(counts.map((count, i) => gateOf('ab'[i]!, count).gate));
    const found = Array.from({ length: workers }, (_, worker) => namesOf(gates.queuesOf(worker, workers)));
    expect(found).toEqual(shares);
  });

  it('connect and disconnect a queue at its interface', () => {
    const [a, b] = [gateOf('a', 2), gateOf('b', 2)];
    const gates = new XdpGates([a.gate, b.gate]);
    gates.connect(gates.queuesOf(1, 2));
    gates.disconnect([b.gate.queues[1]!]);
    gates.connect([{ interface: 'c', index: 0 } as XdpQueue]);
    expect([a.done, b.done]).toEqual([['+1'], ['+1', '-1']]);
    gates.close();
    expect([a.done, b.done]).toEqual([
      ['+1', 'closed'],
      ['+1', '-1', 'closed'],
    ]);
  });
});
