import { describe, expect, it } from 'vitest';
import { CONTINENTS, COUNTRIES } from '../../../../src/core/geo/countries.js';
import { countryRow, isGeoTarget, parseGeoTarget } from '../../../../src/core/geo/regions.js';

describe('the table of countries', () => {
  it('has every code of ISO 3166-1 and XK', () => {
    expect(Object.keys(COUNTRIES)).toHaveLength(250);
    expect(Object.keys(COUNTRIES).filter((code) => !/^[A-Z]{2}$/.test(code))).toEqual([]);
  });

  it('has a known continent and a point on Earth in every row', () => {
    const wrong = Object.entries(COUNTRIES).filter(
      ([, [continent, latitude, longitude]]) =>
        !CONTINENTS.includes(continent) || !(Math.abs(latitude) <= 90) || !(Math.abs(longitude) <= 180),
    );
    expect(wrong).toEqual([]);
  });

  it.each([
    ['US', 'NA', 39, -98],
    ['DE', 'EU', 51, 10],
    ['RU', 'EU', 56, 42],
    ['IN', 'AS', 23, 79],
    ['BR', 'SA', -10, -53],
    ['ZA', 'AF', -29, 25],
    ['AU', 'OC', -33, 148],
  ])('puts %s into %s, near %d, %d', (code, continent, latitude, longitude) => {
    const row = countryRow(code)!;
    expect(row[0]).toBe(continent);
    expect(Math.hypot(row[1] - latitude, row[2] - longitude)).toBeLessThan(3);
  });

  it('has no rows for names that every object has', () => {
    expect(countryRow('constructor')).toBeUndefined();
    expect(countryRow('__proto__')).toBeUndefined();
  });
});

describe('parseGeoTarget()', () => {
  it.each(['EU', 'AN', 'NA-US', 'NA-US-CA', 'EU-GB-ENG', 'AS-JP-13', 'EU-RU'])('takes %s', (code) => {
    expect(isGeoTarget(code)).toBe(true);
  });

  it('takes a province apart', () => {
    expect(parseGeoTarget('NA-US-CA')).toEqual({ continent: 'NA', country: 'US', province: 'CA' });
  });

  it.each([
    ['', 'continent', 'allowed are AF, AN, AS, EU, NA, OC, SA'],
    ['eu', 'continent', 'allowed are AF'],
    ['US', 'continent', 'did you mean NA-US?'],
    ['DE-BY', 'continent', 'did you mean EU-DE-BY?'],
    ['EU-XX', 'country', '"XX" in "EU-XX"'],
    ['NA-', 'country', 'NA-US'],
    ['EU-US', 'wrong-continent', 'write NA-US'],
    ['NA-US-CALI', 'province', '1 to 3 of A-Z and 0-9'],
    ['NA-US-', 'province', '1 to 3'],
    ['NA-US-ca', 'province', '1 to 3'],
    ['NA-US-CA-1', 'shape', 'NA-US-CA'],
    ['E'.repeat(10_000), 'shape', 'NA-US-CA'],
  ])('refuses %j and says what is allowed', (code, problem, allowed) => {
    const result = parseGeoTarget(code);
    expect(result).toMatchObject({ code: problem });
    expect('message' in result && result.message).toContain(allowed);
  });
});
