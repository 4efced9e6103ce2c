import { CLASS, RCODE, TYPE } from '../dns/iana.js';
import type { Query } from './query.js';
import { REASON } from './reason.js';
import { QUESTION_NAME, truncate, writeRecord } from './write.js';

/**
 * Answers class CH: `version.bind`, `version.server`, `id.server`, `hostname.bind` as TXT (RFC 4892). Other names, and
 * what the operator hides, are refused.
 */
export function answerChaos(query: Query): void {
  const rdata = rdataFor(query);
  if (rdata.length === 0) {
    query.rcode = RCODE.REFUSED;
    query.authoritative = false;
    query.reason = REASON.PROHIBITED;
    return;
  }
  query.rcode = RCODE.NOERROR;
  if (query.type !== TYPE.TXT && query.type !== TYPE.ANY) return;
  const at = query.at;
  if (!writeRecord(query, QUESTION_NAME, TYPE.TXT, 0, rdata, 0, rdata.length)) return truncate(query);
  query.outputView.setInt16(at + 4, CLASS.CH);
  query.answers++;
}

function rdataFor(query: Query): Uint8Array {
  const { identity } = query;
  if (isName(query, VERSION_BIND) || isName(query, VERSION_SERVER)) return identity.version;
  if (isName(query, ID_SERVER) || isName(query, HOSTNAME_BIND)) return identity.id;
  return NOTHING;
}

function isName({ name, nameLength }: Query, wire: Uint8Array): boolean {
  if (nameLength !== wire.length) return false;
  for (let i = 0; i < nameLength; i++) if (name.getUint8(i) !== wire[i]) return false;
  return true;
}

const NOTHING = new Uint8Array(0);
const VERSION_BIND = wire('version', 'bind');
const VERSION_SERVER = wire('version', 'server');
const ID_SERVER = wire('id', 'server');
const HOSTNAME_BIND = wire('hostname', 'bind');

function wire(...labels: readonly string[]): Uint8Array {
  const bytes = labels.flatMap((label) => [label.length, ...[...label].map((c) => c.charCodeAt(0))]);
  return Uint8Array.from([...bytes, 0]);
}
