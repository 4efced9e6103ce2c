import fc from 'fast-check';
import { expect, it } from 'vitest';
import { historyText, parseHistory } from '../../../../src/core/scaling/history.js';
import { QUARTER_MS, SeasonalForecast } from '../../../../src/core/scaling/seasonal-forecast.js';

function learned(): SeasonalForecast {
  const forecast = new SeasonalForecast();
  for (let i = 0; i < 300; i++) forecast.add(i * QUARTER_MS, 10 + (i % 96) / 3);
  return forecast;
}

it('a history that is read says what the one that was written said', () => {
  const before = learned();
  const read = parseHistory(
    historyText(
      new Map([
        ['web', before],
        ['__proto__', before],
      ]),
    ),
  );
  if (typeof read === 'string') throw new Error(read);
  expect([...read.keys()]).toEqual(['web', '__proto__']);
  const after = read.get('web')!;
  expect(after.error).toEqual(before.error);
  after.add(300 * QUARTER_MS, 11);
  before.add(300 * QUARTER_MS, 11);
  for (const quarter of [301, 350, 400, 700]) {
    const [a, b] = [after.at(quarter * QUARTER_MS)!, before.at(quarter * QUARTER_MS)!];
    expect(a.basis).toBe(b.basis);
    expect(a.value / b.value).toBeCloseTo(1, 4);
  }
});

const STATE = learned().state;

it.each([
  ['', 'no JSON'],
  ['[]', 'version'],
  ['{"version":2,"subjects":{}}', 'version'],
  ['{"version":1,"subjects":[]}', 'no subjects'],
  ['{"version":1,"subjects":{"web":5}}', '"web" is damaged'],
  [JSON.stringify({ version: 1, subjects: { web: { ...STATE, level: 0 } } }), 'damaged'],
  [JSON.stringify({ version: 1, subjects: { web: { ...STATE, came: null } } }), 'damaged'],
  [JSON.stringify({ version: 1, subjects: { web: { ...STATE, shape: [1] } } }), 'damaged'],
  [
    JSON.stringify({ version: 1, subjects: { web: { ...STATE, shape: STATE.shape.map(() => -1) } } }),
    'damaged',
  ],
])('says what is wrong with %.60s', (text, problem) => {
  expect(parseHistory(text)).toContain(problem);
});

it('never throws, and takes nothing that is not finite, whatever the text', () => {
  const text = historyText(new Map([['web', learned()]]));
  fc.assert(
    fc.property(fc.nat(text.length), fc.string({ maxLength: 6 }), fc.nat(6), (at, put, cut) => {
      const read = parseHistory(text.slice(0, at) + put + text.slice(at + cut));
      if (typeof read === 'string') return;
      for (const forecast of read.values()) {
        forecast.add(0, 1);
        expect(Number.isFinite(forecast.at(QUARTER_MS)!.value)).toBe(true);
      }
    }),
  );
});
