import { expect, it } from 'vitest';
import { printable } from '../../../src/cli/printable.js';
import { formatTable } from '../../../src/cli/table.js';

it.each([
  ['a title', '\u001b]0;owned\u0007', '\u{FFFD}]0;owned\u{FFFD}'],
  ['a cleared screen', 'a\u001b[2Jb', 'a\u{FFFD}[2Jb'],
  ['8-bit controls', '\u009b2J', '\u{FFFD}2J'],
  ['another direction', 'moc.\u202Eelpmaxe', 'moc.\u{FFFD}elpmaxe'],
  ['a line that is written over', 'bad\rgood', 'bad\u{FFFD}good'],
  ['colours, lines and tabs, which stay', '\u001b[1;31mred\u001b[0m\n\tx', '\u001b[1;31mred\u001b[0m\n\tx'],
])('text for a terminal: %s', (_, text, shown) => {
  expect(printable(text)).toBe(shown);
});

it('tables hold no text that steers a terminal', () => {
  expect(formatTable(['DATA'], [['\u001b[2Jhi']])).toBe('DATA\n\u{FFFD}[2Jhi');
});
