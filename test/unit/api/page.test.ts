import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeCursor, encodeCursor, LIMIT_DEFAULT, pageOf } from '../../../src/api/page.js';

const letters = [...'abcdefghij'];
const same = (text: string) => text;

describe('pageOf()', () => {
  it('gives every item once, in order, whatever the limit', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), (limit) => {
        const seen: string[] = [];
        let cursor: string | undefined;
        do {
          const page = pageOf(letters, same, { limit, ...(cursor !== undefined && { cursor }) });
          if (!page) throw new Error('refused its own cursor');
          expect(page.total).toBe(letters.length);
          seen.push(...page.items);
          cursor = page.next;
        } while (cursor !== undefined);
        expect(seen).toEqual(letters);
      }),
    );
  });

  it.each([
    ['something before it went', letters.slice(2), [...'ef']],
    ['something came before it', ['0', ...letters], [...'ef']],
    ['the item at which it ended went', letters.filter((one) => one !== 'd'), [...'fg']],
    ['nearly all went', ['a'], []],
  ])('goes on behind the page before, though %s', (_what, changed, expected) => {
    const { next } = pageOf(letters, same, { limit: 4 })!;
    expect(pageOf(changed, same, { limit: 2, cursor: next! })?.items).toEqual(expected);
  });

  it(`takes ${LIMIT_DEFAULT} without a limit`, () => {
    const many = Array.from({ length: 250 }, (_, i) => String(i));
    expect(pageOf(many, same, {})?.items).toHaveLength(LIMIT_DEFAULT);
  });

  it.each([
    'x',
    encodeCursor([]),
    encodeCursor([0, 'a']),
    encodeCursor([1]),
    encodeCursor([1, 2]),
    encodeCursor([1.5, 'a']),
  ])('refuses the cursor %s', (cursor) => {
    expect(pageOf(letters, same, { cursor })).toBeNull();
  });

  it('reads any text as a cursor without throwing', () => {
    fc.assert(fc.property(fc.string(), (text) => void decodeCursor(text)));
  });
});
