import { describe, expect, it } from 'vitest';
import { firstSegment, PathIndex } from '../../../../src/core/http/path-index.js';

describe('PathIndex', () => {
  /** Enough for an index; the ones with a capital letter take any path. */
  const names = ['A', 'a1', 'b1', 'B', 'a2', 'C', 'c1', 'b2', 'a3', 'D', 'c2', 'c3', 'd1', 'E'];
  const routes = names.map((name) => ({ name, segment: /[A-Z]/.test(name) ? null : name[0]! }));

  it.each([
    ['/a', 'A a1 B a2 C a3 D E'],
    ['/a/b', 'A a1 B a2 C a3 D E'],
    ['/d/', 'A B C D d1 E'],
    ['/e', 'A B C D E'],
    ['/', 'A B C D E'],
    ['/ab', 'A B C D E'],
  ])('gives the routes for %s in their order', (path, expected) => {
    const found = new PathIndex(routes).of(path).map(({ name }) => name);
    expect(found.join(' ')).toBe(expected);
  });

  it('leaves short lists as they are', () => {
    expect(new PathIndex(routes.slice(0, 3)).of('/z')).toHaveLength(3);
  });
});

describe('firstSegment()', () => {
  it.each([
    ['/', ''],
    ['/a', 'a'],
    ['/a/', 'a'],
    ['/a/b', 'a'],
    ['//a', ''],
  ])('of %s is %j', (path, segment) => {
    expect(firstSegment(path)).toBe(segment);
  });
});
