/** Geographic codes in zone files: `EU`, `NA-US`, `NA-US-CA` (continent, country, province; as in octoDNS). */
import { CONTINENTS, COUNTRIES, type Continent, type CountryRow } from './countries.js';

export interface GeoTarget {
  readonly continent: Continent;
  readonly country?: string;
  readonly province?: string;
}

export interface GeoTargetProblem {
  readonly code: 'shape' | 'continent' | 'country' | 'wrong-continent' | 'province';
  /** What is wrong and what is allowed. */
  readonly message: string;
}

/** True if `code` names a continent, a country on its continent, or a province of such a country. */
export function isGeoTarget(code: string): boolean {
  return !('code' in parseGeoTarget(code));
}

/**
 * Takes a geographic code apart. Codes are upper case. Provinces aren't listed anywhere here (ISO 3166-2 changes
 * often): one to three letters or digits are believed.
 */
export function parseGeoTarget(code: string): GeoTarget | GeoTargetProblem {
  const [first, country, province, ...rest] = code.split('-', 5);
  if (code.length > 12 || rest.length > 0) {
    return problem('shape', `"${code.slice(0, 20)}" isn't a geographic code; ${SHAPES}`);
  }
  const continent = CONTINENTS.find((known) => known === first);
  if (continent === undefined) return problem('continent', unknownContinent(code, first ?? ''));
  if (country === undefined) return { continent };
  const row = countryRow(country);
  if (row === undefined) {
    return problem('country', `"${country}" in "${code}" isn't a country code of ISO 3166-1; ${SHAPES}`);
  }
  if (row[0] !== continent) {
    return problem(
      'wrong-continent',
      `"${code}": ${country} belongs to ${row[0]}; write ${row[0]}-${country}`,
    );
  }
  if (province === undefined) return { continent, country };
  if (!/^[A-Z0-9]{1,3}$/.test(province)) {
    return problem(
      'province',
      `"${province}" in "${code}" isn't a province: 1 to 3 of A-Z and 0-9 are allowed`,
    );
  }
  return { continent, country, province };
}

/** The table's row of a country, undefined for anything else. */
export function countryRow(country: string): CountryRow | undefined {
  return Object.hasOwn(COUNTRIES, country) ? COUNTRIES[country] : undefined;
}

const SHAPES = 'allowed are a continent (EU), a country (NA-US) or a province (NA-US-CA)';

function unknownContinent(code: string, first: string): string {
  const row = countryRow(first);
  const hint = row === undefined ? '' : `; did you mean ${row[0]}-${code}?`;
  return `"${first}" in "${code}" isn't a continent; allowed are ${CONTINENTS.join(', ')}${hint}`;
}

function problem(code: GeoTargetProblem['code'], message: string): GeoTargetProblem {
  return { code, message };
}
