import { describe, expect, it } from 'vitest';
import { distanceKm } from '../../../../src/core/geo/distance.js';

const DUBLIN = { latitude: 53.35, longitude: -6.26 };
const ASHBURN = { latitude: 39.04, longitude: -77.49 };
const MUMBAI = { latitude: 19.08, longitude: 72.88 };
const AUCKLAND = { latitude: -36.85, longitude: 174.76 };
const HONOLULU = { latitude: 21.31, longitude: -157.86 };

describe('distanceKm()', () => {
  // Distances on the WGS 84 ellipsoid; the sphere may be 0.6 % off.
  it.each([
    ['Dublin', DUBLIN, 'Ashburn', ASHBURN, 5455],
    ['Dublin', DUBLIN, 'Mumbai', MUMBAI, 7631],
    ['across the date line: Auckland', AUCKLAND, 'Honolulu', HONOLULU, 7086],
  ])('from %s to %s', (_from, from, _to, to, km) => {
    const measured = distanceKm(from, to as typeof DUBLIN);
    expect(Math.abs(measured - km) / km).toBeLessThan(0.006);
    expect(distanceKm(to as typeof DUBLIN, from)).toBeCloseTo(measured, 6);
  });

  it('is 0 at one place and half the circumference to the opposite one', () => {
    expect(distanceKm(DUBLIN, DUBLIN)).toBe(0);
    const opposite = { latitude: -DUBLIN.latitude, longitude: DUBLIN.longitude + 180 };
    expect(distanceKm(DUBLIN, opposite)).toBeCloseTo(20_015.1, 1);
  });
});
