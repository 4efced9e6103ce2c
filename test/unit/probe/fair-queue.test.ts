import { describe, expect, it } from 'vitest';
import { FairQueue } from '../../../src/probe/fair-queue.js';

function drain(queue: FairQueue<string>): readonly string[] {
  const out: string[] = [];
  for (let item = queue.shift(); item !== undefined; item = queue.shift()) out.push(item);
  return out;
}

function filled(): FairQueue<string> {
  const queue = new FairQueue<string>();
  for (const item of ['a1', 'a2', 'a3', 'b1', 'c1', 'c2']) queue.push(item[0]!, item);
  return queue;
}

describe('FairQueue', () => {
  it('serves groups in turn, and the items of a group in their order', () => {
    const queue = filled();
    expect(queue.size).toBe(6);
    expect(drain(queue)).toEqual(['a1', 'b1', 'c1', 'a2', 'c2', 'a3']);
    expect(queue.size).toBe(0);
  });

  it('holds an item once', () => {
    const queue = filled();
    queue.push('a', 'a1');
    expect(queue.size).toBe(6);
  });

  it('gives a group its turn behind those that wait already', () => {
    const queue = filled();
    queue.shift();
    queue.push('d', 'd1');
    expect(drain(queue)).toEqual(['b1', 'c1', 'a2', 'd1', 'c2', 'a3']);
  });

  it('lets items leave, with their group when it is empty', () => {
    const queue = filled();
    queue.delete('b', 'b1');
    queue.delete('b', 'b1');
    queue.delete('a', 'a2');
    queue.delete('x', 'x1');
    expect(queue.size).toBe(4);
    expect(drain(queue)).toEqual(['a1', 'c1', 'a3', 'c2']);
  });

  it('is empty after `clear`', () => {
    const queue = filled();
    queue.clear();
    expect([queue.size, queue.shift()]).toEqual([0, undefined]);
  });
});
