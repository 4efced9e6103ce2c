/** `ipv4hint: auto` and `ipv6hint: auto` of SVCB and HTTPS records: addresses that are chosen for each query. */
import { TYPE } from '../core/dns/iana.js';
import type { HintedRecord } from '../core/zone/model.js';
import type { Path } from './schema-problems.js';
import { type Draft, report } from './zone-draft.js';
import type { ZoneRecord } from './zone-schema.js';

/** Records with such hints in one RRset: each is a choice of its own. */
const HINTED_MAX = 8;
const AUTO = 'auto';

/** The record without these hints, and which of its values had them; undefined where none has. */
export function takeAutoHints(
  draft: Draft,
  type: number,
  record: ZoneRecord,
  at: Path,
): { readonly record: ZoneRecord; readonly hinted: readonly HintedRecord[] } | undefined {
  if (type !== TYPE.SVCB && type !== TYPE.HTTPS) return undefined;
  const values = record.values ?? (record.value === undefined ? [] : [record.value]);
  const hinted = values.map(hintsOf);
  const count = hinted.filter(({ v4, v6 }) => v4 || v6).length;
  if (count === 0) return undefined;
  if (count > HINTED_MAX) report(draft, at, `at most ${HINTED_MAX} values with hints that are auto`);
  for (const [i, value] of values.entries()) {
    const { v4, v6 } = hinted[i]!;
    if (!(v4 || v6)) continue;
    const paramsAt = [...at, ...(record.values === undefined ? ['value'] : ['values', i]), 'svcparams'];
    const params = paramsOf(value);
    if (v4 && Object.hasOwn(params, 'key4')) report(draft, [...paramsAt, 'key4'], 'is there twice');
    if (v6 && Object.hasOwn(params, 'key6')) report(draft, [...paramsAt, 'key6'], 'is there twice');
    if (!isMap(value) || Number(value['svcpriority']) !== 0) continue;
    report(draft, paramsAt, 'an alias (svcpriority 0) has no parameters');
  }
  const rest = values.map(withoutAuto);
  const stripped = record.values === undefined ? { ...record, value: rest[0] } : { ...record, values: rest };
  return { record: stripped, hinted };
}

function paramsOf(value: unknown): Readonly<Record<string, unknown>> {
  const params = isMap(value) ? value['svcparams'] : undefined;
  return isMap(params) ? params : {};
}

function hintsOf(value: unknown): HintedRecord {
  const { ipv4hint, ipv6hint } = paramsOf(value) as {
    readonly ipv4hint?: unknown;
    readonly ipv6hint?: unknown;
  };
  return { v4: ipv4hint === AUTO, v6: ipv6hint === AUTO };
}

function withoutAuto(value: unknown): unknown {
  const { v4, v6 } = hintsOf(value);
  if (!isMap(value) || !(v4 || v6)) return value;
  const isAuto = (key: string) => (v4 && key === 'ipv4hint') || (v6 && key === 'ipv6hint');
  const kept = Object.entries(paramsOf(value)).filter(([key]) => !isAuto(key));
  return { ...value, svcparams: Object.fromEntries(kept) };
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
