import { describe, expect, it } from 'vitest';
import { compilePattern } from '../../../src/proxy/pattern.js';

describe('compilePattern()', () => {
  it.each([
    ['[a-z]+', 'abc', true],
    ['[a-z]+', 'abc1', false],
    ['a|ab', 'ab', true],
    ['^/x$', '/x', true],
    ['(?i)bot', 'BOT', true],
    ['', '', true],
    ['.', '\xe9', true],
  ])('%s matches all of %j: %s', (source, text, expected) => {
    expect(compilePattern(source).test(text)).toBe(expected);
    expect(compilePattern(source).groups(text) !== null).toBe(expected);
  });

  it('gives the groups, and nothing for those that took no part', () => {
    expect(compilePattern('/(a)?(?:b)([0-9]+)').groups('/b12')).toEqual(['/b12', '', '12']);
  });

  it('matches nothing with what is no pattern', () => {
    expect(compilePattern('(').test('(')).toBe(false);
    expect(compilePattern('(').groups('(')).toBeNull();
  });

  it.each(['(x+x+)+y', '(.*a){20}b', '((a*)*)*c'])('ends on %s, where backtracking would not', (source) => {
    expect(compilePattern(source).test('xa'.repeat(2000))).toBe(false);
    expect(compilePattern(source).groups('x'.repeat(4000))).toBeNull();
  });
});
