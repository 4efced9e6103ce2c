import { OUTCOMES, POLICIES } from '../answer/snapshot.js';
import { rcodeName, typeName } from '../dns/iana.js';
import { formatName } from '../dns/name.js';
import { formatAddress, maskBytes } from '../dns/rdata/address.js';
import { TRANSPORTS } from '../tally/cells.js';
import { LOG_ACTIONS, LOG_FLAG, type LogRecord } from './ring.js';

/** Who asked, as the log says it: the address, its /24 or /56, or nothing. */
export type LogClient = 'address' | 'prefix' | 'none';

export interface LineNames {
  readonly worker: number;
  /** The name of a zone's or pool's slot. */
  readonly zone: (slot: number) => string;
  readonly pool: (slot: number) => { readonly pool: string; readonly region: string };
  readonly client: LogClient;
}

const CLASSES: Readonly<Record<number, string>> = { 1: 'IN', 3: 'CH', 4: 'HS', 254: 'NONE', 255: 'ANY' };

/**
 * One line of the query log: JSON, without the line end. The name stands in presentation form, so that control
 * characters and quotes that a client sent are escaped twice: as `\ddd`, and by JSON.
 */
export function logLine(record: LogRecord, names: LineNames): string {
  const { flags, decision, pool, subnetFamily, name } = record;
  const isSet = (flag: number) => (flags & flag) !== 0;
  const place = pool < 0 ? {} : names.pool(pool);
  return JSON.stringify({
    time: isoTime(record.timeMs),
    worker: names.worker,
    ...clientOf(record.source, names.client),
    transport: TRANSPORTS[record.transport] ?? '',
    ...(name.length > 0 && {
      name: formatName(name),
      type: typeName(record.type),
      class: CLASSES[record.class] ?? `CLASS${record.class}`,
    }),
    rcode: rcodeName(record.rcode),
    aa: isSet(LOG_FLAG.AUTHORITATIVE),
    tc: isSet(LOG_FLAG.TRUNCATED),
    edns: isSet(LOG_FLAG.EDNS),
    do: isSet(LOG_FLAG.DNSSEC_OK),
    cookie: isSet(LOG_FLAG.COOKIE),
    query_size: record.querySize,
    answer_size: record.answerSize,
    action: LOG_ACTIONS[record.action] ?? '',
    zone: names.zone(record.zone),
    ...place,
    ...(decision >= 0 && { policy: POLICIES[decision >> 2], outcome: OUTCOMES[decision & 3] }),
    ...(subnetFamily > 0 && { subnet_prefix: record.subnetPrefix, scope: record.scope }),
  });
}

function clientOf(source: Uint8Array, client: LogClient): { readonly client?: string } {
  if (client === 'none') return {};
  if (client === 'address') return { client: formatAddress(source) };
  const length = source.length === 4 ? 24 : 56;
  return { client: `${formatAddress(maskBytes(source, length))}/${length}` };
}

/** `2026-01-31T12:00:00.000Z`; `core` has no Date. Days are counted from 1970 (Hinnant, "chrono-compatible date algorithms"). */
export function isoTime(ms: number): string {
  const days = Math.floor(ms / 86_400_000);
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const day = shifted - era * 146_097;
  const year = Math.floor(
    (day - Math.floor(day / 1460) + Math.floor(day / 36_524) - Math.floor(day / 146_096)) / 365,
  );
  const dayOfYear = day - (365 * year + Math.floor(year / 4) - Math.floor(year / 100));
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  const dayOfMonth = dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1;
  const rest = ms - days * 86_400_000;
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0');
  const date = `${era * 400 + year + (month <= 2 ? 1 : 0)}-${two(month)}-${two(dayOfMonth)}`;
  const time = `${two(rest / 3_600_000)}:${two((rest / 60_000) % 60)}:${two((rest / 1000) % 60)}`;
  return `${date}T${time}.${String(rest % 1000).padStart(3, '0')}Z`;
}
