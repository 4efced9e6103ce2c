/**
 * What can be steered, as text that is the same in the API, on the command line and in the document:
 *
 *     ZONE/POOL                 a pool
 *     ZONE/POOL/ADDRESS         an address, or the host name, of an endpoint of a pool
 *     region:NAME               all pools of a region, in every zone
 *     ZONE/region:NAME          those of one zone
 *
 * `*` stands for every zone, and before an address for every pool: a force in one zone never reaches another unless it
 * is asked to. A `/` within the name of a zone (RFC 2317) is written `%2F`.
 */
import { formatName, isNameError, parseName } from '../dns/name.js';
import { formatAddress, parseIPv4, parseIPv6 } from '../dns/rdata/address.js';

export interface SteeringTarget {
  /** An origin with its trailing dot, or `*`. */
  readonly zone: string;
  /** Absent for a region. `*` only before an address. */
  readonly pool?: string;
  /** An address as `formatAddress` writes it, or a host name without trailing dot. */
  readonly address?: string;
  readonly region?: string;
}

export const TARGET_LENGTH_MAX = 600;

export const TARGET_TITLE =
  'ZONE/POOL, ZONE/POOL/ADDRESS, region:NAME or ZONE/region:NAME, with * for every zone';

const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$/;
const REGION = 'region:';

/** Reads a target; a string says what is wrong with it. */
export function parseTarget(text: string): SteeringTarget | string {
  if (text.length > TARGET_LENGTH_MAX) return `longer than ${TARGET_LENGTH_MAX} characters`;
  if (text.startsWith(REGION)) return regionTarget('*', text.slice(REGION.length));
  const [zoneText = '', pool, ...rest] = text.split('/');
  if (pool === undefined) return `want ${TARGET_TITLE}`;
  const zone = readZone(zoneText);
  if (zone === undefined) return `${zoneText} is no name of a zone: want ${TARGET_TITLE}`;
  if (pool.startsWith(REGION)) {
    return rest.length > 0 ? `want ${TARGET_TITLE}` : regionTarget(zone, pool.slice(REGION.length));
  }
  if (rest.length === 0) {
    return NAME.test(pool) ? { zone, pool } : `${pool} is no name of a pool: want ${TARGET_TITLE}`;
  }
  if (pool !== '*' && !NAME.test(pool)) return `${pool} is no name of a pool: want ${TARGET_TITLE}`;
  const address = readAddress(rest.join('/'));
  if (address === undefined) return `${rest.join('/')} is neither an address nor a host name`;
  return { zone, pool, address };
}

/** The text of a target: equal for equal targets. */
export function formatTarget({ zone, pool, address, region }: SteeringTarget): string {
  const place = zone === '*' ? '*' : (zone === '.' ? '.' : zone.replace(/\.$/, '')).replaceAll('/', '%2F');
  if (region !== undefined) return zone === '*' ? `${REGION}${region}` : `${place}/${REGION}${region}`;
  return address === undefined ? `${place}/${pool}` : `${place}/${pool}/${address}`;
}

function regionTarget(zone: string, region: string): SteeringTarget | string {
  return NAME.test(region) ? { zone, region } : `${region} is no name of a region: want ${TARGET_TITLE}`;
}

function readZone(text: string): string | undefined {
  if (text === '*') return '*';
  if (text === '') return undefined;
  const plain = text.replaceAll(/%2f/gi, '/');
  const name = parseName(plain.endsWith('.') ? plain : `${plain}.`);
  return isNameError(name) ? undefined : formatName(name).toLowerCase();
}

function readAddress(text: string): string | undefined {
  const bytes = parseIPv4(text) ?? parseIPv6(text);
  if (bytes) return formatAddress(bytes);
  const name = parseName(text.endsWith('.') ? text : `${text}.`);
  if (text === '' || text === '.' || isNameError(name)) return undefined;
  return formatName(name).toLowerCase().slice(0, -1);
}
