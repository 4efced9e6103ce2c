import { typeName } from '../../dns/iana.js';
import { rdataText } from '../../dns/rdata/table.js';
import type { RRset, StaticRRset, Zone } from '../model.js';

/**
 * A zone as a master file (RFC 1035 §5): the SOA first, names relative to the origin, TTLs where they differ from the
 * most frequent one. What a master file can't say (answers that are chosen for each client) is a comment.
 */
export function formatMasterFile(zone: Zone): string {
  const ttl = frequentTtl(zone.rrsets);
  const { soa } = zone;
  const numbers = [soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum].join(' ');
  const lines = [
    `$ORIGIN ${zone.origin}`,
    `$TTL ${ttl}`,
    `@ ${soa.ttl} IN SOA ${soa.mname} ${soa.rname} ${numbers}`,
  ];
  for (const rrset of zone.rrsets) {
    const owner = relativeOwner(rrset.name, zone.origin);
    if (!isWritable(rrset)) {
      lines.push(`; ${owner} ${typesOf(rrset)}: chosen for each client, which a master file cannot say`);
      continue;
    }
    const head = `${owner} ${rrset.ttl === ttl ? '' : `${rrset.ttl} `}IN ${typeName(rrset.type)}`;
    for (const wire of rrset.rdata) lines.push(`${head} ${rdataText(rrset.type, wire)}`);
  }
  return `${lines.join('\n')}\n`;
}

/** The most frequent TTL of static RRsets, the smallest of several; 3600 where there are none. */
export function frequentTtl(rrsets: readonly RRset[]): number {
  const counts = new Map<number, number>();
  for (const { ttl } of rrsets) counts.set(ttl, (counts.get(ttl) ?? 0) + 1);
  let best = { ttl: 3600, count: 0 };
  for (const [ttl, count] of counts) {
    if (count > best.count || (count === best.count && ttl < best.ttl)) best = { ttl, count };
  }
  return best.ttl;
}

/** Whether a master file can say all of it. */
export function isWritable(rrset: RRset): rrset is StaticRRset {
  return rrset.kind === 'static' && rrset.hinted === undefined;
}

function typesOf(rrset: RRset): string {
  return rrset.kind === 'static' ? typeName(rrset.type) : rrset.families.join(' and ');
}

function relativeOwner(name: string, origin: string): string {
  if (name === origin) return '@';
  if (origin === '.' || !name.endsWith(`.${origin}`)) return name;
  // "@" and "$" in a label are escaped already.
  return name.slice(0, -origin.length - 1);
}
