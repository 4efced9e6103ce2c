import { describe, expect, it } from 'vitest';
import { locationFromRecord } from '../../../../src/core/geo/record.js';

describe('locationFromRecord()', () => {
  it.each([
    ['ip-location-db', { country_code: 'de' }, { country: 'DE' }],
    [
      'GeoLite2 City',
      {
        continent: { code: 'NA', names: { en: 'North America' } },
        country: { iso_code: 'US' },
        registered_country: { iso_code: 'DE' },
        subdivisions: [{ iso_code: 'CA' }, { iso_code: 'XX' }],
        location: { latitude: 37.75, longitude: -97.82, accuracy_radius: 1000 },
      },
      { continent: 'NA', country: 'US', subdivision: 'CA', latitude: 37.75, longitude: -97.82 },
    ],
    ['a block of unknown place', { registered_country: { iso_code: 'JP' } }, { country: 'JP' }],
    [
      'GeoLite2 ASN',
      { autonomous_system_number: 15169, autonomous_system_organization: 'X' },
      { asn: 15169 },
    ],
    [
      'GeoIP2 Enterprise',
      { country: { iso_code: 'FR' }, traits: { autonomous_system_number: 3215 } },
      { country: 'FR', asn: 3215 },
    ],
    [
      'IPinfo',
      {
        continent_code: 'OC',
        country: 'AU',
        region: 'Queensland',
        asn: 'AS1221',
        lat: '-27.5',
        lng: '153.0',
      },
      { continent: 'OC', country: 'AU', asn: 1221, latitude: -27.5, longitude: 153 },
    ],
    [
      'a subdivision with its country',
      { country_code: 'US', state1: 'us-ny' },
      { country: 'US', subdivision: 'NY' },
    ],
    ['a subdivision without a country', { state1: 'NY' }, {}],
    ['only one coordinate', { latitude: 1 }, {}],
    ['coordinates off the Earth', { latitude: 91, longitude: 0 }, {}],
    ['coordinates that are no numbers', { latitude: Number.NaN, longitude: 0 }, {}],
    ['codes that are none', { country_code: 'USA', continent_code: 'XX', asn: -1 }, {}],
    ['an ASN beyond 32 bits', { asn: 4_294_967_296 }, {}],
    ['a text', 'US', {}],
    ['nothing', null, {}],
    ['a list', [{ country_code: 'US' }], {}],
  ])('reads %s', (_what, record, location) => {
    expect(locationFromRecord(record)).toEqual(location);
  });
});
