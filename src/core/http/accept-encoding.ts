/** Accept-Encoding (RFC 9110 §12.5.3): which content coding a client gets. */

export type ContentCoding = 'gzip' | 'br' | 'zstd';

export const CONTENT_CODINGS = ['gzip', 'br', 'zstd'] as const satisfies readonly ContentCoding[];

/** What is longer is not read: no client has that much to say. */
const FIELD_LENGTH_MAX = 1024;
const ELEMENTS_MAX = 32;

/**
 * The coding of `offered` that the field prefers, null for none (identity). Of codings with equal weight the first one of
 * `offered` is taken. `field`: the values of all lines, joined with commas; null if there is none, which we take as
 * identity: who can decode says so. Elements that are malformed count as not there. Never throws.
 */
export function chooseCoding(field: string | null, offered: readonly ContentCoding[]): ContentCoding | null {
  if (field === null || field === '' || field.length > FIELD_LENGTH_MAX) return null;
  const weights = weightsOf(field);
  if (weights === null) return null;
  const others = weights.get('*') ?? 0;
  let best: ContentCoding | null = null;
  let bestWeight = 0;
  for (const coding of offered) {
    const weight = weights.get(coding) ?? others;
    if (weight <= bestWeight) continue;
    best = coding;
    bestWeight = weight;
  }
  // Identity that is not named is what remains, whatever its weight.
  const identity = weights.get('identity') ?? 0;
  return identity > bestWeight ? null : best;
}

/** Weights by coding, in thousandths; null if there are too many. */
function weightsOf(field: string): ReadonlyMap<string, number> | null {
  const elements = field.split(',');
  if (elements.length > ELEMENTS_MAX) return null;
  const weights = new Map<string, number>();
  for (const element of elements) {
    const match = ELEMENT.exec(element);
    if (match === null) continue;
    const name = match[1]!.toLowerCase();
    const coding = ALIASES.get(name) ?? name;
    // The first mention counts.
    if (!weights.has(coding)) weights.set(coding, match[2] === undefined ? 1000 : thousandths(match[2]));
  }
  return weights;
}

/** A coding and its weight, `qvalue` of RFC 9110 §12.4.2. */
const ELEMENT =
  /^[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*(?:;[ \t]*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[ \t]*)?$/;

/** RFC 9110 §8.4.1.3. */
const ALIASES: ReadonlyMap<string, string> = new Map([['x-gzip', 'gzip']]);

function thousandths(weight: string): number {
  return Math.round(Number(weight) * 1000);
}
