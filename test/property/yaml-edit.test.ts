import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sameData } from '../../src/sources/same-data.js';
import { parseYaml } from '../../src/sources/yaml-document.js';
import { rewriteYaml } from '../../src/sources/yaml-edit.js';
import { renderFile } from '../../src/sources/yaml-render.js';

type Entry = { readonly key: string; readonly lines: readonly string[]; readonly value: unknown };

/** Each run parses a file several times. */
const RUNS = { numRuns: 50 };

/** How a person might write a value: plain, quoted, in flow or in block, with comments within. */
const scalar = fc.oneof(
  fc.integer({ min: -5, max: 100_000 }).map((value) => [String(value), value] as const),
  fc.stringMatching(/^[a-z][a-z0-9.-]{0,8}[a-z0-9]$/).map((text) => [text, text] as const),
  fc.string({ maxLength: 8 }).map((text) => [JSON.stringify(text), text] as const),
  fc.stringMatching(/^[ -~]{0,8}$/).map((text) => [`'${text.replaceAll("'", "''")}'`, text] as const),
  fc.constantFrom(
    ['true', true] as const,
    ['null', null] as const,
    ['', null] as const,
    ['0x1f', 31] as const,
  ),
);
const comment = fc.constantFrom('', ' # why', '  # "a: b" # c', ' #');

const flowMap = fc.array(scalar, { maxLength: 4 }).map((items) => {
  const named = items.map(([text, value], i) => [`k${i}: ${text}`, value] as const);
  const data = Object.fromEntries(named.map(([, value], i) => [`k${i}`, value]));
  return [named.length > 0 ? `{ ${named.map(([text]) => text.trimEnd()).join(', ')} }` : '{}', data] as const;
});

type Written = (key: string) => Entry;

const inline = fc.tuple(fc.oneof(scalar, flowMap), comment).map(
  ([[text, value], note]): Written =>
    (key) => ({ key, value, lines: [`  ${key}: ${text}${note}`] }),
);
const items = fc.array(fc.oneof(scalar, flowMap), { minLength: 1, maxLength: 4 });
const list = fc.tuple(items, comment, fc.constantFrom(2, 4)).map(
  ([values, note, indent]): Written =>
    (key) => ({
      key,
      value: values.map(([, value]) => value),
      lines: [
        `  ${key}:${note}`,
        ...values.flatMap(([text], i) => [
          ...(i === 1 ? [`${' '.repeat(indent)}# of ${key}`] : []),
          `${' '.repeat(indent)}- ${text}${note}`,
        ]),
      ],
    }),
);
const map = fc.tuple(items, comment).map(
  ([values, note]): Written =>
    (key) => ({
      key,
      value: Object.fromEntries(values.map(([, value], i) => [`m${i}`, value])),
      lines: [`  ${key}:${note}`, ...values.map(([text], i) => `      m${i}: ${text}${note}`)],
    }),
);
const block = fc.array(fc.stringMatching(/^[a-z#: ]{0,10}[a-z]$/), { minLength: 1, maxLength: 3 }).map(
  (texts): Written =>
    (key) => ({
      key,
      value: `${texts.map((text) => text.trimStart()).join('\n')}\n`,
      lines: [`  ${key}: |`, ...texts.map((text) => `    ${text.trimStart()}`)],
    }),
);
const entry = fc.oneof(inline, list, map, block);

const KEYS = ['a', 'b', 'WWW', '"*.x"', 'c', '""', "'q r'", 'z9'];
const between = fc.array(fc.constantFrom('', '  # a note', '# at the margin', '      # deep'), {
  maxLength: 2,
});

interface Piece {
  readonly above: readonly string[];
  readonly entry: Entry;
}

const bodies = fc.array(fc.record({ above: between, entry }), {
  minLength: KEYS.length,
  maxLength: KEYS.length,
});
const pieces = fc
  .tuple(fc.shuffledSubarray(KEYS, { minLength: 1 }), bodies)
  .map(([keys, found]): readonly Piece[] =>
    keys.map((key, i) => {
      const { above, entry: written } = found[i]!;
      // Behind a text block such a line is text.
      const isText = i > 0 && found[i - 1]!.entry('').lines[0]!.endsWith('|');
      return { above: isText ? above.slice(deepLines(above)) : above, entry: written(key) };
    }),
  );

const json = fc.jsonValue({ maxDepth: 2 });

function fileOf(list: readonly Piece[], eol: string, end: string): string {
  const lines = [
    '# top',
    'first: 1',
    'm: # the map',
    ...list.flatMap(({ above, entry: one }) => [...above, ...one.lines]),
  ];
  return `${[...lines, '# between', 'last: { x: 1 }'].join(eol)}${end === '' ? '' : eol}`;
}

/** How many lines belong to the entry above them. */
function deepLines(above: readonly string[]): number {
  const end = above.findIndex((line) => line.trim() !== '' && !line.startsWith('      #'));
  return above.slice(0, end < 0 ? above.length : end).findLastIndex((line) => line.trim() !== '') + 1;
}

function dataOf(
  text: string,
): { readonly m: Readonly<Record<string, unknown>> } & Readonly<Record<string, unknown>> {
  const parsed = parseYaml('f', text);
  if ('problems' in parsed) throw new Error(`${text}\n${parsed.problems[0]?.message}`);
  return parsed.value as ReturnType<typeof dataOf>;
}

function edited(text: string, value: unknown): string {
  const result = rewriteYaml('f', text, value);
  if ('problems' in result)
    throw new Error(`${result.problems[0]?.message}\n${text}\n${JSON.stringify(value)}`);
  expect(sameData(dataOf(result.text), value)).toBe(true);
  return result.text;
}

describe('rewriteYaml()', () => {
  const files = fc.record({
    list: pieces,
    eol: fc.constantFrom('\n', '\r\n'),
    end: fc.constantFrom('', 'x'),
  });

  it('changes the lines of the entry that changes, and no others', () => {
    fc.assert(
      fc.property(files, fc.nat(), json, ({ list, eol, end }, pick, next) => {
        const text = fileOf(list, eol, end);
        const at = pick % list.length;
        const before = dataOf(text);
        const key = Object.keys(dataOf(fileOf([list[at]!], '\n', 'x')).m)[0]!;
        const now = edited(text, { ...before, m: { ...before.m, [key]: next } });
        const head = fileOf(list.slice(0, at), eol, 'x').split(`# between`)[0]!;
        const above = list[at]!.above.map((line) => line + eol).join('');
        const tail = text.slice((head + above + list[at]!.entry.lines.join(eol)).length);
        expect(now.startsWith(head + above)).toBe(true);
        expect(now.endsWith(tail)).toBe(true);
      }),
      RUNS,
    );
  });

  it('takes out the lines of the entry that goes, and no others', () => {
    fc.assert(
      fc.property(files, fc.nat(), ({ list, eol, end }, pick) => {
        fc.pre(list.length > 1);
        const at = pick % list.length;
        const text = fileOf(list, eol, end);
        const before = dataOf(text);
        const key = Object.keys(dataOf(fileOf([list[at]!], '\n', 'x')).m)[0]!;
        const { [key]: _, ...m } = before.m;
        // Comments within the entry go with it, also those that are indented further below it; others stay.
        const rest = list.flatMap((piece, i): Piece[] => {
          if (i === at) return [{ ...piece, entry: { ...piece.entry, lines: [] } }];
          return [i === at + 1 ? { ...piece, above: piece.above.slice(deepLines(piece.above)) } : piece];
        });
        expect(edited(text, { ...before, m })).toBe(fileOf(rest, eol, end));
      }),
      RUNS,
    );
  });

  it('keeps every line in its order where an entry comes', () => {
    fc.assert(
      fc.property(files, json, ({ list, eol, end }, next) => {
        const text = fileOf(list, eol, end);
        const before = dataOf(text);
        const now = edited(text, { ...before, m: { ...before.m, new: next } });
        const lines = now.split(eol);
        let from = 0;
        for (const line of text.split(eol)) {
          const found = lines.indexOf(line, from);
          expect(found, line).toBeGreaterThanOrEqual(from);
          from = found + 1;
        }
      }),
      RUNS,
    );
  });

  it('says any data that it is given, in any file', () => {
    fc.assert(
      fc.property(
        files,
        fc.dictionary(fc.string({ maxLength: 6 }), json, { minKeys: 1 }),
        ({ list, eol, end }, value) => {
          edited(fileOf(list, eol, end), value);
          edited(fileOf(list, eol, end), { m: value });
        },
      ),
    );
  });
});

describe('renderFile()', () => {
  it('says the data that it is given', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ maxLength: 6 }), fc.jsonValue({ maxDepth: 4 })), (value) => {
        expect(sameData(dataOf(renderFile(value)), value)).toBe(true);
      }),
      RUNS,
    );
  });
});
