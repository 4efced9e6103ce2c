import { describe, expect, it } from 'vitest';
import { YamlShelf } from '../../../src/sources/yaml-shelf.js';

describe('YamlShelf', () => {
  it('gives a text that it has read before as the same document', () => {
    const shelf = new YamlShelf();
    const [first, second] = [shelf.read('a', 'x: 1'), shelf.read('a', 'x: 2')];
    expect(second).toMatchObject({ value: { x: 2 } });
    expect(shelf.read('a', 'x: 1')).toBe(first);
    expect(shelf.read('a', 'x: 2')).toBe(second);
  });

  it('tells files of one text apart, for the sake of what is said of them', () => {
    const shelf = new YamlShelf();
    shelf.read('a', 'x: 1');
    expect(shelf.read('b', 'x: 1')).toMatchObject({ file: 'b' });
  });

  it.each([
    ['the third last', 'x: 1', (shelf: YamlShelf) => ['x: 2', 'x: 3'].map((text) => shelf.read('a', text))],
    ['what is large', `x: ${'1'.repeat(70_000)}`, () => {}],
    ['what has mistakes', 'x: [', () => {}],
    ['what was there before it was cleared', 'x: 1', (shelf: YamlShelf) => shelf.clear()],
  ])('does not keep %s', (_, text, then) => {
    const shelf = new YamlShelf();
    const first = shelf.read('a', text);
    then(shelf);
    expect(shelf.read('a', text)).not.toBe(first);
  });
});
