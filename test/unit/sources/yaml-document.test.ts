import { type TSchema, Type } from 'typebox';
import { describe, expect, it } from 'vitest';
import { nearest, schemaProblems } from '../../../src/sources/schema-problems.js';
import {
  checkSchema,
  formatPath,
  formatProblem,
  PROBLEMS_MAX,
  type Problem,
  parseYaml,
  sortProblems,
  YAML_BYTES_MAX,
  type YamlDocument,
} from '../../../src/sources/yaml-document.js';

function document(text: string): YamlDocument {
  const parsed = parseYaml('f.yaml', text);
  if ('problems' in parsed) throw new Error(parsed.problems.map(formatProblem).join('\n'));
  return parsed;
}

function problems(text: string): readonly string[] {
  const parsed = parseYaml('f.yaml', text);
  return 'problems' in parsed ? parsed.problems.map(formatProblem) : [];
}

function mistakes(schema: TSchema, text: string): readonly string[] {
  const checked = checkSchema(document(text), schema);
  return Array.isArray(checked) ? (checked as Problem[]).map(formatProblem) : [];
}

describe('parseYaml()', () => {
  it('keeps keys as they are written, and merges', () => {
    const { value } = document('1.10: { no: 1 }\nbase: &b { x: 1 }\nuse: { <<: *b, y: 2 }\n007: ~\n');
    expect(value).toEqual({ '1.10': { no: 1 }, base: { x: 1 }, use: { x: 1, y: 2 }, '007': null });
  });

  it('refuses keys that repeat, at their place', () => {
    expect(problems('a: 1\nb: { c: 1, c: 2 }\na: 3\n')).toEqual([
      'f.yaml:2:12: the key "c" is already in this map',
      'f.yaml:3:1: the key "a" is already in this map',
    ]);
  });

  it('takes a map of 50,000 keys in reasonable time', () => {
    const text = Array.from({ length: 50_000 }, (_, i) => `k${i}: 1`).join('\n');
    expect(Object.keys(document(text).value as object)).toHaveLength(50_000);
  });

  it.each([
    ['a list as a key', '? [a]\n: 1', 'f.yaml:1:3: a key must be plain text'],
    ['two documents', 'a: 1\n---\nb: 1', 'f.yaml:2:1: Source contains multiple documents'],
    ['an unknown tag', 'a: !!js/function x', 'f.yaml:1:4: Unresolved tag'],
    ['an alias without anchor', 'a: *b', 'f.yaml:1:4: no anchor &b stands before this alias'],
    ['an open bracket', 'a: [1', 'f.yaml:1:6: '],
  ])('refuses %s', (_, text, expected) => {
    expect(problems(text)[0]).toContain(expected);
  });

  it('refuses an alias bomb', () => {
    const level = (i: number) =>
      `l${i}: &l${i} [${Array(10)
        .fill(`*l${i - 1}`)
        .join(', ')}]`;
    const bomb = ['l0: &l0 [x, x]', ...Array.from({ length: 8 }, (_, i) => level(i + 1))].join('\n');
    expect(problems(bomb)[0]).toContain('Excessive alias count');
  });

  it('refuses a text that is too large', () => {
    expect(problems(`a: ${'x'.repeat(YAML_BYTES_MAX)}`)[0]).toContain('larger than 16777216 bytes (16 MiB)');
  });

  it('refuses more aliases than it can resolve quickly', () => {
    expect(problems(`a: &a 1\nb: [${'*a, '.repeat(2001)}]`)[0]).toContain('at most 2000 are resolved');
  });

  it.each(['[', '- ', '{a: '])('refuses %j nested too deeply', (opening) => {
    expect(problems(opening.repeat(20_000)).join('\n')).toContain('the document is nested too deeply');
  });

  it('gives an own key to __proto__', () => {
    const { value } = document('__proto__: { polluted: true }');
    expect(Object.keys(value as object)).toEqual(['__proto__']);
    expect((value as { polluted?: boolean }).polluted).toBeUndefined();
  });
});

describe('problem()', () => {
  const text = 'a:\n  b: [1, { c: 2 }]\n  d:\n    e: 3\nx: &x { y: 1 }\nz: *x\n';
  it.each<[(string | number)[], 'key' | 'value', string]>([
    [[], 'value', '1:1'],
    [['a'], 'value', '1:1'],
    [['a', 'b'], 'value', '2:6'],
    [['a', 'b'], 'key', '2:3'],
    [['a', 'b', 1, 'c'], 'value', '2:15'],
    [['a', 'b', 1, 'missing'], 'value', '2:10'],
    [['a', 'b', 7], 'value', '2:6'],
    [['a', 'd', 'e'], 'value', '4:8'],
    [['a', 'd', 'missing', 'deeper'], 'value', '3:3'],
    [['z', 'y'], 'value', '5:12'],
    [['nowhere'], 'value', '1:1'],
  ])('%j (%s) stands at %s', (path, at, expected) => {
    const { line, column } = document(text).problem(path, 'm', at);
    expect(`${line}:${column}`).toBe(expected);
  });

  it('formats', () => {
    expect(formatProblem(document(text).problem(['a', 'b', 1, 'c'], 'is odd'))).toBe(
      'f.yaml:2:15: a.b[1].c: is odd',
    );
    expect(formatPath(['records', '', 'a.b', '*', 0])).toBe('records[""]["a.b"].*[0]');
  });

  it('cuts a long list, and says so', () => {
    const many = Array.from({ length: PROBLEMS_MAX + 5 }, () => document(text).problem([], 'm'));
    const sorted = sortProblems(many);
    expect(sorted).toHaveLength(PROBLEMS_MAX);
    expect(sorted.at(-1)!.message).toBe('and 6 more');
  });
});

describe('checkSchema()', () => {
  const strict = { additionalProperties: false } as const;
  const Schema = Type.Object(
    {
      count: Type.Integer({ minimum: 1, maximum: 5 }),
      color: Type.Optional(Type.Union([Type.Literal('red'), Type.Literal('green')])),
      list: Type.Optional(
        Type.Array(Type.Object({ x: Type.String() }, strict), { minItems: 1, maxItems: 2 }),
      ),
      either: Type.Optional(
        Type.Union([Type.Object({ x: Type.String() }, strict), Type.Array(Type.Number())]),
      ),
      timing: Type.Optional(
        Type.Union([Type.Number({ minimum: 0 }), Type.String({ pattern: '^\\d+s$' })], { title: 'a time' }),
      ),
    },
    strict,
  );

  it('gives the value when it fits', () => {
    expect(checkSchema(document('count: 2'), Schema)).toEqual({ count: 2 });
  });

  it.each([
    ['{}', '1:1: the key "count" is missing: a whole number from 1 to 5'],
    ['count: 9', '1:8: count: must be a whole number from 1 to 5, not 9'],
    ['count: "1"', '1:8: count: must be a whole number from 1 to 5, not "1"'],
    ['count: 1\ncolour: red', '2:1: colour: unknown key; did you mean color? Allowed: count, color, list'],
    ['count: 1\nsize: 2', '2:1: size: unknown key; allowed: count, color, list'],
    ['count: 1\ncolor: gren', '2:8: color: must be one of red, green, not "gren"; did you mean green?'],
    ['count: 1\ncolor: 5', '2:8: color: must be one of red, green, not 5'],
    ['count: 1\nlist: []', '2:7: list: must have at least 1 item, not 0'],
    ['count: 1\nlist: [{ x: a }, { x: 1 }]', '2:23: list[1].x: must be text, not 1'],
    ['count: 1\neither: { y: 1 }', '2:11: either.y: unknown key; allowed: x'],
    ['count: 1\neither: [a]', '2:10: either[0]: must be a number, not "a"'],
    ['count: 1\neither: 5', '2:9: either: must be a map or a list, not 5'],
    ['count: 1\ntiming: soon', '2:9: timing: must be a time, not "soon"'],
    ['count: 1\ntiming: -1', '2:9: timing: must be a time, not -1'],
    ['[]', '1:1: must be a map, not a list'],
  ])('%j: %s', (text, expected) => {
    expect(mistakes(Schema, text).join('\n')).toContain(`f.yaml:${expected}`);
  });

  it('reports every mistake', () => {
    const text = `count: 0\n${Array.from({ length: 20 }, (_, i) => `extra${i}: 1`).join('\n')}`;
    expect(mistakes(Schema, text)).toHaveLength(21);
  });

  it('checks a part of a document', () => {
    const parsed = document('part: { count: 7 }');
    const [problem] = checkSchema(parsed, Schema, { count: 7 }, ['part']) as Problem[];
    expect(formatProblem(problem!)).toBe(
      'f.yaml:1:16: part.count: must be a whole number from 1 to 5, not 7',
    );
  });

  it("falls back to typebox's words for a keyword that it does not know", () => {
    expect(schemaProblems(Type.Number({ multipleOf: 3 }), 4)).toMatchObject([{ path: [], at: 'value' }]);
  });
});

it.each([
  ['tll', 'ttl'],
  ['fallbak', 'fallback'],
  ['x', undefined],
  ['completely', undefined],
])('nearest() of %s is %s', (word, expected) => {
  expect(nearest(word, ['ttl', 'fallback', 'y'])).toBe(expected);
});
