import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { rewriteYaml } from '../../../src/sources/yaml-edit.js';

function rewritten(text: string, value: unknown, order: readonly string[] = []): string {
  const result = rewriteYaml('z.yaml', text, value, { order });
  if ('problems' in result) throw new Error(result.problems.map(({ message }) => message).join());
  expect(parse(result.text, { merge: true })).toEqual(value);
  return result.text;
}

const FILE = `# the top
zone: example.com # its name

pools:
  # europe
  eu:
    region: eu-west
    endpoints:
      - { A: 192.0.2.1, weight: 3 } # the old one
      - { A: 192.0.2.2 }

  us: { endpoints: [{ A: 198.51.100.1 }] } # one line

records:
  a: { type: A, value: 192.0.2.1 }
  # what b is for
  b:
    type: TXT
    values:
      - 'one' # first
      - "two"
  text:
    type: TXT
    value: |
      several
      lines
  c: { type: A, value: 192.0.2.3 }
# the end
`;

/** A copy with another item at a path; without it where that is undefined. */
function withItem(tree: unknown, [key, ...rest]: readonly (string | number)[], item: unknown): unknown {
  if (key === undefined) return item;
  if (Array.isArray(tree))
    return Object.assign([...tree], { [key]: withItem(tree[Number(key)], rest, item) });
  const map = tree as Readonly<Record<string, unknown>>;
  const { [key]: old, ...others } = map;
  if (rest.length === 0 && item === undefined) return others;
  return { ...map, [key]: withItem(old, rest, item) };
}

describe('rewriteYaml()', () => {
  it('gives the same text for the same value', () => {
    expect(rewritten(FILE, parse(FILE))).toBe(FILE);
  });

  it.each<[string, readonly (string | number)[], unknown, string, string]>([
    ['a scalar', ['pools', 'eu', 'region'], 'eu', 'region: eu-west', 'region: eu'],
    ['a scalar in a flow map', ['pools', 'eu', 'endpoints', 0, 'weight'], 9, 'weight: 3', 'weight: 9'],
    ['a text in single quotes', ['records', 'b', 'values', 0], "it's", "'one'", "'it''s'"],
    ['a text in double quotes', ['records', 'b', 'values', 1], 'three', '"two"', '"three"'],
    ['a key of a flow map', ['records', 'a', 'ttl'], 60, '2.1 }\n  # what', '2.1, ttl: 60 }\n  # what'],
    ['a key taken out of a flow map', ['pools', 'eu', 'endpoints', 0], { A: '192.0.2.1' }, ', weight: 3', ''],
    [
      'a key of a block map',
      ['pools', 'eu', 'fallback'],
      'us',
      'A: 192.0.2.2 }\n',
      'A: 192.0.2.2 }\n    fallback: us\n',
    ],
    ['an entry', ['pools', 'us'], undefined, '  us: { endpoints: [{ A: 198.51.100.1 }] } # one line\n', ''],
    [
      'a block entry',
      ['records', 'text'],
      undefined,
      '  text:\n    type: TXT\n    value: |\n      several\n      lines\n',
      '',
    ],
    ['a text block', ['records', 'text', 'value'], 'short', '|\n      several\n      lines\n', 'short\n'],
    [
      'an item',
      ['pools', 'eu', 'endpoints'],
      [{ A: '192.0.2.2' }],
      '      - { A: 192.0.2.1, weight: 3 } # the old one\n',
      '',
    ],
    [
      'a new item',
      ['pools', 'eu', 'endpoints', 2],
      { A: '192.0.2.9' },
      '192.0.2.2 }\n',
      '192.0.2.2 }\n      - { A: 192.0.2.9 }\n',
    ],
    [
      'a new first item',
      ['records', 'b', 'values'],
      ['zero', 'one', 'two'],
      "      - 'one'",
      "      - zero\n      - 'one'",
    ],
    [
      'a new item of a flow list',
      ['pools', 'us', 'endpoints', 1],
      { AAAA: '2001:db8::1' },
      '100.1 }]',
      '100.1 }, { AAAA: "2001:db8::1" }]',
    ],
    [
      'a block that becomes a value',
      ['records', 'b'],
      { type: 'A', value: '192.0.2.7' },
      'TXT\n    values:\n      - \'one\' # first\n      - "two"\n',
      'A\n    value: 192.0.2.7\n',
    ],
    [
      'a list that becomes empty',
      ['records', 'b', 'values'],
      [],
      'values:\n      - \'one\' # first\n      - "two"\n',
      'values: []\n',
    ],
    [
      'a line that becomes a block',
      ['records', 'c'],
      { type: 'TXT', values: Array.from({ length: 3 }, (_, i) => `${'x'.repeat(40)}${i}`) },
      '{ type: A, value: 192.0.2.3 }',
      `{ type: TXT, values: [${[0, 1, 2].map((i) => `${'x'.repeat(40)}${i}`).join(', ')}] }`,
    ],
  ])('changes %s and nothing else', (_, path, item, from, to) => {
    expect(FILE.split(from)).toHaveLength(2);
    expect(rewritten(FILE, withItem(parse(FILE), path, item))).toBe(FILE.replace(from, () => to));
  });

  it('puts a new entry behind the last one, before a comment at the end', () => {
    const value = withItem(parse(FILE), ['records', 'd'], { type: 'TXT', value: 'a: b' });
    expect(rewritten(FILE, value)).toBe(
      FILE.replace('# the end', '  d: { type: TXT, value: "a: b" }\n# the end'),
    );
  });

  it('puts a new entry in its place among sorted ones', () => {
    const text = 'records:\n  a: 1\n  b: 2\n  # of d\n  d: 4\n';
    expect(rewritten(text, { records: { a: 1, b: 2, c: 3, d: 4 } })).toBe(
      'records:\n  a: 1\n  b: 2\n  c: 3\n  # of d\n  d: 4\n',
    );
  });

  it('puts a new section in its place, set apart as the others are', () => {
    const value = { ...(parse(FILE) as object), monitors: { web: { type: 'tcp', port: 80 } } };
    const order = ['zone', 'monitors', 'pools', 'records'];
    expect(rewritten(FILE, value, order)).toBe(
      FILE.replace('its name\n', 'its name\n\nmonitors: { web: { type: tcp, port: 80 } }\n'),
    );
  });

  it.each([
    ['a file without a last line break', 'a: 1\nb: 2', { a: 1, b: 2, c: 3 }, 'a: 1\nb: 2\nc: 3'],
    [
      'line breaks of Windows',
      'a: 1\r\nm:\r\n  x: 1\r\nb: 2\r\n',
      { a: 1, m: { x: 1, y: 2 } },
      'a: 1\r\nm:\r\n  x: 1\r\n  y: 2\r\n',
    ],
    ['a key without a value', 'a: # c\nb: 1\n', { a: 5, b: 1 }, 'a: 5 # c\nb: 1\n'],
    [
      'a map in a list',
      'l:\n  - a: 1\n    b: 2\n  - c: 3\n',
      { l: [{ b: 2, d: 4 }, { c: 3 }] },
      'l:\n  - b: 2\n    d: 4\n  - c: 3\n',
    ],
    ['the last entry of a section', 's: # all\n  a: 1 # x\nz: 2\n', { s: {}, z: 2 }, 's: {} # all\nz: 2\n'],
    [
      'a list at the column of its key',
      'k:\n- a\n- b\nz: 1\n',
      { k: ['a', 'c', 'b'], z: 1 },
      'k:\n- a\n- c\n- b\nz: 1\n',
    ],
    ['an alias', 'a: &x { n: 1 }\nb: *x\n', { a: { n: 1 }, b: { n: 2 } }, 'a: &x { n: 1 }\nb: { n: 2 }\n'],
    [
      'a flow map of several lines',
      'm: {\n  a: 1, # one\n  b: 2, # two\n}\n',
      { m: { a: 1, b: 3 } },
      'm: {\n  a: 1, # one\n  b: 3, # two\n}\n',
    ],
    [
      'a key that YAML would take for a number',
      'r:\n  "1.10": 1\n',
      { r: { '1.10': 1, '2.20': 2, true: 3, '': 4 } },
      'r:\n  "1.10": 1\n  "2.20": 2\n  "true": 3\n  "": 4\n',
    ],
  ])('knows %s', (_, text, value, expected) => {
    expect(rewritten(text, value)).toBe(expected);
  });

  it('writes aliases out where a change of an anchor must not change what shares it', () => {
    const text = 'a: &x { n: 1 } # shared\nb: *x\nc: { <<: *x, m: 2 }\n';
    const value = { a: { n: 5 }, b: { n: 1 }, c: { n: 1, m: 2 } };
    expect(rewritten(text, value)).toBe('a: &x { n: 5 } # shared\nb: { n: 1 }\nc: { <<: { n: 1 }, m: 2 }\n');
  });

  it('overrides what a merge brings in', () => {
    const text = 'a: &x { n: 1, k: 2 }\nc: { <<: *x, m: 2 }\n';
    const value = { a: { n: 1, k: 2 }, c: { n: 7, k: 2, m: 2 } };
    expect(rewritten(text, value)).toBe('a: &x { n: 1, k: 2 }\nc: { <<: *x, m: 2, n: 7 }\n');
  });

  it('does not edit a text with mistakes', () => {
    const result = rewriteYaml('z.yaml', 'a: [1\n', { a: 1 });
    expect(result).toMatchObject({ problems: [{ file: 'z.yaml', line: expect.any(Number) }] });
  });

  it('keeps every text that JSON can say', () => {
    const odd = [
      '\u0000',
      '\u0085',
      '\u2028',
      '\ufeff',
      'é',
      '😀',
      ' x ',
      '- a',
      '#',
      'a #b',
      '1e3',
      '0x1',
      '~',
      '*a',
      '&a',
      '!t',
      '%',
      '@',
      '`',
      '\n',
      '"',
      "'",
      '\\',
      ': ',
      '2001:db8::1',
      '1.2.3.4',
      '12:30:00',
      '2020-01-01',
      '.5',
      '=',
      '<<',
      '---',
    ];
    const value = { list: odd, map: Object.fromEntries(odd.map((text, i) => [text, i])) };
    rewritten('list: []\nmap: {}\n', value);
    rewritten('list:\n- a\nmap:\n  a: b\n', value);
  });
});
