/** A place on Earth, degrees. */
export interface Point {
  readonly latitude: number;
  readonly longitude: number;
}

/** Mean radius of the Earth (IUGG R1). */
const EARTH_RADIUS_KM = 6371.0088;

/**
 * Great-circle distance in kilometres by the haversine formula on a sphere: within 0.6 % of the distance on the
 * ellipsoid, which is finer than any geographic database. At most half the circumference, 20,015 km.
 */
export function distanceKm(a: Point, b: Point): number {
  const latitudeA = radians(a.latitude);
  const latitudeB = radians(b.latitude);
  const halfLatitude = Math.sin((latitudeB - latitudeA) / 2);
  const halfLongitude = Math.sin(radians(b.longitude - a.longitude) / 2);
  const h = halfLatitude ** 2 + Math.cos(latitudeA) * Math.cos(latitudeB) * halfLongitude ** 2;
  // Rounding can push `h` a little over 1 for opposite points, where asin has no value.
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.sqrt(Math.min(1, h)));
}

function radians(degrees: number): number {
  return (degrees * Math.PI) / 180;
}
