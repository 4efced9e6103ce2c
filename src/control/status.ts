/** What the control plane says of itself; the API adds its schemas. */

export interface ZoneStatus {
  readonly zone: string;
  readonly file: string;
  readonly serial: number;
  readonly records: number;
  readonly pools: number;
  /** ISO 8601. */
  readonly loaded: string;
  /** `stale`: the file on disk has mistakes, and the last good version is served. */
  readonly state: 'current' | 'stale';
  readonly problems: readonly string[];
}

export interface GeoStatus {
  readonly sources: readonly {
    readonly path: string;
    readonly type: string;
    readonly built: string;
    readonly age_days: number;
    readonly attribution: string;
  }[];
  readonly problems: readonly string[];
}
