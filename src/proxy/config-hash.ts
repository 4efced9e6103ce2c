import { createHash } from 'node:crypto';
import type { ProxyModel } from '../core/balance/model.js';

/**
 * 16 hexadecimal digits that are the same for configurations that were read as the same: a comment, or a default that is
 * written out, makes no difference.
 */
export function configHash(model: ProxyModel): string {
  return createHash('sha256')
    .update(JSON.stringify(sorted(model)))
    .digest('hex')
    .slice(0, 16);
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return Object.fromEntries(
    entries.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([key, inner]) => [key, sorted(inner)]),
  );
}
