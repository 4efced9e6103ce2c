/** A mistake in a zone, and the list that validation gathers them in. */

export type FindingCode =
  | 'unknown-name'
  | 'loop'
  | 'no-endpoint'
  | 'no-weight'
  | 'no-location'
  | 'no-default'
  | 'duplicate'
  | 'out-of-range'
  | 'bad-geo'
  | 'outside-zone'
  | 'below-cut'
  | 'below-dname'
  | 'beside-cname'
  | 'not-single'
  | 'wildcard'
  | 'no-glue'
  | 'no-nameserver'
  | 'not-allowed'
  | 'too-large';

export type FindingPath = readonly (string | number)[];

export interface Finding {
  /** Into the model: `['pools', 'eu', 'fallback']`, `['rrsets', 3, 'steering', 'rules', 0, 'pool']`. */
  readonly path: FindingPath;
  readonly code: FindingCode;
  /** What is wrong, and what is allowed. */
  readonly message: string;
}

/** More findings than this say nothing new. */
export const FINDINGS_MAX = 1000;

export class Findings {
  readonly list: Finding[] = [];

  add(path: FindingPath, code: FindingCode, message: string): void {
    if (this.list.length < FINDINGS_MAX) this.list.push({ path, code, message });
  }
}

/** `; allowed: a, b, c` for a name that does not exist; a long list is cut. */
export function allowed(names: Iterable<string>): string {
  const list = [...names];
  if (list.length === 0) return '; there are none';
  const more = list.length > 10 ? `, … (${list.length})` : '';
  return `; there are: ${list.slice(0, 10).join(', ')}${more}`;
}
