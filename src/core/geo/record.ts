import type { Location } from './location.js';

/**
 * The location that a decoded database record tells of. Two shapes are understood, also mixed: nested as in MaxMind's
 * GeoLite2 and GeoIP2 and in DB-IP (`country.iso_code`, `location.latitude`), and flat as in ip-location-db and
 * IPinfo (`country_code`, `latitude`, `asn`). What isn't a valid code or number is left out, never an error.
 */
export function locationFromRecord(record: unknown): Location {
  const root = fields(record);
  const country = countryOf(root);
  const continent = firstCode(CONTINENT, [
    fields(root['continent'])['code'],
    root['continent_code'],
    root['continent'],
  ]);
  const subdivision = country === undefined ? undefined : subdivisionOf(root, country);
  const asn = asnOf(root);
  return {
    ...(continent === undefined ? {} : { continent }),
    ...(country === undefined ? {} : { country }),
    ...(subdivision === undefined ? {} : { subdivision }),
    ...(asn === undefined ? {} : { asn }),
    ...pointOf(root),
  };
}

const CONTINENT = /^(?:AF|AN|AS|EU|NA|OC|SA)$/;
const COUNTRY = /^[A-Z]{2}$/;
const SUBDIVISION = /^[A-Z0-9]{1,3}$/;

type Fields = Readonly<Record<string, unknown>>;

function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}

function countryOf(root: Fields): string | undefined {
  return firstCode(COUNTRY, [
    fields(root['country'])['iso_code'],
    root['country_code'],
    root['country'],
    // Where nobody knows the place, the country in which the address block is registered is the next best.
    fields(root['registered_country'])['iso_code'],
  ]);
}

/** ISO 3166-2 with or without its country in front; names of provinces (`California`) aren't codes. */
function subdivisionOf(root: Fields, country: string): string | undefined {
  const list = root['subdivisions'];
  const nested = Array.isArray(list) ? fields(list[0])['iso_code'] : undefined;
  const candidates = [
    nested,
    root['region_code'],
    root['subdivision_code'],
    root['state_code'],
    root['state1'],
    root['region'],
  ];
  const front = `${country}-`;
  return firstCode(
    SUBDIVISION,
    candidates.map((value) => {
      const text = typeof value === 'string' ? value.toUpperCase() : '';
      return text.startsWith(front) ? text.slice(front.length) : text;
    }),
  );
}

function firstCode(pattern: RegExp, candidates: readonly unknown[]): string | undefined {
  for (const candidate of candidates) {
    if (typeof candidate !== 'string') continue;
    const code = candidate.toUpperCase();
    if (pattern.test(code)) return code;
  }
  return undefined;
}

/** A number, or text such as `AS15169`. */
function asnOf(root: Fields): number | undefined {
  const candidates = [
    root['autonomous_system_number'],
    root['asn'],
    fields(root['traits'])['autonomous_system_number'],
  ];
  for (const candidate of candidates) {
    const asn =
      typeof candidate === 'string' ? Number(/^(?:AS)?(\d{1,10})$/i.exec(candidate)?.[1]) : candidate;
    if (typeof asn === 'number' && Number.isInteger(asn) && asn > 0 && asn <= 0xffff_ffff) return asn;
  }
  return undefined;
}

function pointOf(root: Fields): Pick<Location, 'latitude' | 'longitude'> {
  const nested = fields(root['location']);
  const latitude = degrees(nested['latitude'] ?? root['latitude'] ?? root['lat'], 90);
  const longitude = degrees(nested['longitude'] ?? root['longitude'] ?? root['lng'] ?? root['lon'], 180);
  return latitude === undefined || longitude === undefined ? {} : { latitude, longitude };
}

function degrees(value: unknown, max: number): number | undefined {
  const number =
    typeof value === 'string' && /^-?\d{1,3}(?:\.\d{1,20})?$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && Math.abs(number) <= max ? number : undefined;
}
