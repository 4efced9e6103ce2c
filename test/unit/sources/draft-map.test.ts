import { expect, it } from 'vitest';
import { DraftMap } from '../../../src/sources/draft-map.js';

it('DraftMap shows changes before they are made, and makes them in the order of the base', () => {
  const base = new Map([
    ['a', 1],
    ['b', 2],
    ['c', 3],
  ]);
  const draft = new DraftMap(base);
  draft.set('b', 20);
  draft.set('d', 4);
  draft.delete('a');
  draft.delete('nobody');
  expect([draft.size, draft.get('a'), draft.get('b'), draft.has('d'), draft.before('a')]).toEqual([
    3,
    undefined,
    20,
    true,
    1,
  ]);
  expect([...draft]).toEqual([
    ['b', 20],
    ['c', 3],
    ['d', 4],
  ]);
  expect([...base.keys()]).toEqual(['a', 'b', 'c']);
  expect([...draft.commit()]).toEqual([...draft]);
  expect([draft.changes.size, draft.size]).toEqual([0, 3]);
});

it('DraftMap.fork() goes on from the changes, and leaves them alone', () => {
  const draft = new DraftMap(new Map([['a', 1]]));
  draft.set('b', 2);
  const fork = draft.fork();
  fork.delete('b');
  fork.delete('a');
  fork.set('a', 3);
  expect([[...fork], fork.size, [...draft], draft.size]).toEqual([
    [['a', 3]],
    1,
    [
      ['a', 1],
      ['b', 2],
    ],
    2,
  ]);
});
