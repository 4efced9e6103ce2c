/**
 * What probes may do, as the server's own configuration says: whoever may write a zone could otherwise run programs,
 * read files and knock at doors of the networks that this host is in.
 */
import { parseIPv4, parseIPv6 } from '../dns/rdata/address.js';
import type { Prefix } from '../zone/model.js';

export interface ProbeLimits extends ProbePermissions {
  readonly networks: ProbeNetworks;
}

/** What a zone's monitors may use of the host itself. */
export interface ProbePermissions {
  /** Programs that exec monitors may run, as absolute paths; no other, whatever they lead to. */
  readonly programs: readonly string[];
  /** Folders of files that file monitors may read, with the folders in them. */
  readonly folders: readonly string[];
}

/** An address may be probed if a prefix of `allow` has it and none of `deny`. */
export interface ProbeNetworks {
  readonly allow: readonly Prefix[];
  readonly deny: readonly Prefix[];
}

export const EVERY_NETWORK: ProbeNetworks = {
  allow: [
    { bytes: new Uint8Array(4), length: 0 },
    { bytes: new Uint8Array(16), length: 0 },
  ],
  deny: [],
};

/** The default: every address, but no program and no file. */
export const PROBE_LIMITS_DEFAULT: ProbeLimits = { programs: [], folders: [], networks: EVERY_NETWORK };

/** Where there is no configuration to ask: nothing. */
export const NO_PERMISSIONS: ProbePermissions = { programs: [], folders: [] };

export function mayRun({ programs }: Pick<ProbePermissions, 'programs'>, program: string): boolean {
  return programs.includes(program);
}

/**
 * Whether a path is in one of the folders as it is written. What it really leads to is to be asked again when it is
 * opened, with the real paths of both.
 */
export function mayRead({ folders }: Pick<ProbePermissions, 'folders'>, path: string): boolean {
  const segments = path.split('/').slice(1);
  if (!path.startsWith('/') || segments.some((part) => part === '' || part === '.' || part === '..')) {
    return false;
  }
  return folders.some((folder) => path.startsWith(folder.endsWith('/') ? folder : `${folder}/`));
}

/** Whether an address in text may be probed; false for what is no address. */
export function mayReach(networks: ProbeNetworks, address: string): boolean {
  if (networks === EVERY_NETWORK) return true;
  const bytes = realBytes(address);
  if (!bytes) return false;
  const within = (prefix: Prefix): boolean => hasPrefix(bytes, prefix);
  return networks.allow.some(within) && !networks.deny.some(within);
}

/** The bytes that a connection goes to: IPv4 in its mapped form is IPv4, and "any address" is this host. */
function realBytes(text: string): Uint8Array | undefined {
  const bytes = parseIPv4(text) ?? parseIPv6(text);
  if (!bytes) return undefined;
  const v4 = bytes.length === 16 && isMapped(bytes) ? bytes.slice(12) : bytes;
  if (v4.some((byte) => byte !== 0)) return v4;
  return v4.length === 4
    ? Uint8Array.of(127, 0, 0, 1)
    : Uint8Array.from({ length: 16 }, (_, i) => +(i === 15));
}

/** `::ffff:a.b.c.d` (RFC 4291 §2.5.5.2). */
function isMapped(bytes: Uint8Array): boolean {
  return bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
}

function hasPrefix(bytes: Uint8Array, prefix: Prefix): boolean {
  if (bytes.length !== prefix.bytes.length) return false;
  const whole = prefix.length >> 3;
  for (let i = 0; i < whole; i++) if (bytes[i] !== prefix.bytes[i]) return false;
  const rest = prefix.length & 7;
  return rest === 0 || ((bytes[whole]! ^ prefix.bytes[whole]!) & (0xff00 >> rest) & 0xff) === 0;
}
