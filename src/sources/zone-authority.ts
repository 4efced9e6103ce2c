/** SOA, name servers and their addresses. */
import { TYPE } from '../core/dns/iana.js';
import { formatName } from '../core/dns/name.js';
import { isRdataError } from '../core/dns/rdata/codec.js';
import { rdataCodec } from '../core/dns/rdata/table.js';
import type { Soa } from '../core/zone/model.js';
import type { Path } from './schema-problems.js';
import { addRRset, type Draft, readName, report, seconds } from './zone-draft.js';
import type { FileSoa, ZoneFile } from './zone-schema.js';

/** Seconds. Negative answers are short, so that a new name is seen soon (RFC 2308 §5). */
export const SOA_DEFAULTS = { refresh: 3600, retry: 600, expire: 604_800, minimum: 30, ttl: 3600 } as const;
/** NS records and their addresses change rarely, whatever the TTL of the zone's answers. */
export const NAMESERVER_TTL = 3600;

/** NS records of the apex, and A and AAAA of those names that have addresses here. */
export function readNameservers(draft: Draft, nameservers: NonNullable<ZoneFile['nameservers']>): void {
  const names: { readonly wire: Uint8Array; readonly path: Path }[] = [];
  for (const [key, addresses] of Object.entries(nameservers)) {
    const path = ['nameservers', key];
    const name = serverName(draft, key);
    if ('message' in name) {
      report(draft, path, name.message, 'key');
      continue;
    }
    names.push({ wire: name.wire, path });
    readAddresses(draft, name.text, addresses, path);
  }
  if (names.length === 0) return;
  addRRset(
    draft,
    {
      kind: 'static',
      name: draft.origin,
      type: TYPE.NS,
      ttl: NAMESERVER_TTL,
      rdata: names.map(({ wire }) => wire),
    },
    { path: ['nameservers'], rdata: names.map(({ path }) => path) },
  );
}

export function readSoa(draft: Draft, soa: FileSoa, serial: number): Soa {
  return {
    mname: readMname(draft, soa.mname),
    rname: readContact(draft, soa.contact),
    serial,
    refresh: seconds(soa.refresh, SOA_DEFAULTS.refresh),
    retry: seconds(soa.retry, SOA_DEFAULTS.retry),
    expire: seconds(soa.expire, SOA_DEFAULTS.expire),
    minimum: seconds(soa.minimum, SOA_DEFAULTS.minimum),
    ttl: seconds(soa.ttl, SOA_DEFAULTS.ttl),
  };
}

/** Absolute with a trailing dot or when it ends with the zone's name; one label is relative to the zone. */
function serverName(draft: Draft, key: string): ReturnType<typeof readName> {
  const zone = draft.origin.slice(0, -1);
  const lower = key.toLowerCase();
  if (key.endsWith('.')) return readName(key);
  if (zone !== '' && (lower === zone || lower.endsWith(`.${zone}`))) return readName(`${key}.`);
  if (!key.includes('.')) return readName(key, draft.originWire);
  return {
    message: `must be one label (ns1), a name within ${draft.origin}, or absolute with a trailing dot (${key}.)`,
  };
}

function readAddresses(
  draft: Draft,
  name: string,
  addresses: NonNullable<ZoneFile['nameservers']>[string],
  path: Path,
): void {
  for (const family of ['A', 'AAAA'] as const) {
    const given = addresses?.[family];
    if (given === undefined) continue;
    const texts = [given].flat();
    const rdataPaths = texts.map((_, i) => (Array.isArray(given) ? [...path, family, i] : [...path, family]));
    const rdata: Uint8Array[] = [];
    for (const [i, text] of texts.entries()) {
      const wire = rdataCodec(TYPE[family]).parse(text);
      if (isRdataError(wire)) report(draft, rdataPaths[i]!, wire.message);
      else rdata.push(wire);
    }
    if (!isInZone(draft, name)) {
      const message = `addresses belong to names within ${draft.origin}; ${name} is looked up in its own zone`;
      report(draft, [...path, family], message, 'key');
    } else if (rdata.length > 0) {
      const rrset = { kind: 'static', name, type: TYPE[family], ttl: NAMESERVER_TTL, rdata } as const;
      addRRset(draft, rrset, { path, rdata: rdataPaths });
    }
  }
}

function isInZone({ origin }: Draft, name: string): boolean {
  return origin === '.' || name === origin || name.endsWith(`.${origin}`);
}

function readMname(draft: Draft, text: string | undefined): string {
  if (text !== undefined) {
    const name = serverName(draft, text);
    if (!('message' in name)) return name.text;
    report(draft, ['soa', 'mname'], name.message);
  }
  const apex = draft.rrsets.find(
    (rrset) => rrset.kind === 'static' && rrset.type === TYPE.NS && rrset.name === draft.origin,
  );
  const first = apex?.kind === 'static' ? apex.rdata[0] : undefined;
  const fallback = draft.origin === '.' ? 'ns1.' : `ns1.${draft.origin}`;
  return first ? formatName(first).toLowerCase() : fallback;
}

/** `hostmaster@example.com` or `hostmaster.example.com`: the first label is the mailbox (RFC 1035 §8). */
function readContact(draft: Draft, text: string | undefined): string {
  const fallback = draft.origin === '.' ? 'hostmaster.' : `hostmaster.${draft.origin}`;
  if (text === undefined) return fallback;
  const [local = '', domain, ...rest] = text.split('@');
  const name = domain === undefined ? local : `${local.replaceAll('.', '\\.')}.${domain}`;
  const parsed = rest.length > 0 ? undefined : readName(name.endsWith('.') ? name : `${name}.`);
  if (parsed && !('message' in parsed)) return parsed.text;
  report(draft, ['soa', 'contact'], 'must be a mail address such as hostmaster@example.com');
  return fallback;
}
