/**
 * Alias slots: the addresses of names outside this server that ALIAS records lead to. The control plane resolves and
 * writes them, the query path reads them; a new address needs neither a new snapshot nor a message. The table is an
 * Int32Array in shared memory, one record of ALIAS_SLOT for each name. A record is guarded by its sequence word
 * (a seqlock): odd while it is being written, and another afterwards.
 */

export const ALIAS_SLOT = {
  SEQUENCE: 0,
  /** Bits KNOWN_V4 and KNOWN_V6; a family that was never resolved has no bit. */
  STATE: 1,
  V4_COUNT: 2,
  V6_COUNT: 3,
  /** Until when the addresses may be cached: seconds since 1970. */
  EXPIRES: 4,
  /** IPv4 addresses as int32. */
  V4: 8,
  /** IPv6 addresses, four big-endian words each. */
  V6: 16,
  STRIDE: 48,
} as const;

export const KNOWN_V4 = 1;
export const KNOWN_V6 = 2;
/** Addresses of one family in a slot. */
export const ALIAS_ADDRESSES_MAX = 8;
/** Names outside that ALIAS records may lead to. */
export const ALIAS_SLOTS_MAX = 1024;
/** TTL of addresses that could not be refreshed in time, seconds (RFC 8767 §4 recommends it). */
export const STALE_TTL = 30;

export interface AliasAddresses {
  /** 4 bytes each; undefined where they are not known. At most ALIAS_ADDRESSES_MAX are kept. */
  readonly v4?: readonly Uint8Array[] | undefined;
  /** 16 bytes each. */
  readonly v6?: readonly Uint8Array[] | undefined;
  /** Seconds since 1970. */
  readonly expires: number;
}

export function createAliasTable(slots: number = ALIAS_SLOTS_MAX): Int32Array {
  const bytes = slots * ALIAS_SLOT.STRIDE * Int32Array.BYTES_PER_ELEMENT;
  return new Int32Array(new SharedArrayBuffer(bytes));
}

/** Writes a slot; one thread only may do so. */
export function writeAliasSlot(table: Int32Array, slot: number, addresses: AliasAddresses): void {
  const at = slot * ALIAS_SLOT.STRIDE;
  const { v4, v6, expires } = addresses;
  const sequence = Atomics.load(table, at + ALIAS_SLOT.SEQUENCE);
  Atomics.store(table, at + ALIAS_SLOT.SEQUENCE, (sequence + 1) | 0);
  const set = (field: number, value: number) => Atomics.store(table, at + field, value | 0);
  set(ALIAS_SLOT.STATE, (v4 ? KNOWN_V4 : 0) | (v6 ? KNOWN_V6 : 0));
  set(ALIAS_SLOT.V4_COUNT, Math.min(v4?.length ?? 0, ALIAS_ADDRESSES_MAX));
  set(ALIAS_SLOT.V6_COUNT, Math.min(v6?.length ?? 0, ALIAS_ADDRESSES_MAX));
  set(ALIAS_SLOT.EXPIRES, expires);
  for (const [i, address] of (v4 ?? []).slice(0, ALIAS_ADDRESSES_MAX).entries()) {
    set(ALIAS_SLOT.V4 + i, wordOf(address, 0));
  }
  for (const [i, address] of (v6 ?? []).slice(0, ALIAS_ADDRESSES_MAX).entries()) {
    for (let word = 0; word < 4; word++) set(ALIAS_SLOT.V6 + 4 * i + word, wordOf(address, 4 * word));
  }
  Atomics.store(table, at + ALIAS_SLOT.SEQUENCE, (sequence + 2) | 0);
}

/** A writer is done within microseconds. */
const READS_MAX = 1000;

/** Copies a slot as it was at one moment to `into` (ALIAS_SLOT.STRIDE words); false where it was never still. */
export function readAliasSlot(table: Int32Array, slot: number, into: Int32Array): boolean {
  const at = slot * ALIAS_SLOT.STRIDE;
  for (let i = 0; i < READS_MAX; i++) {
    const sequence = Atomics.load(table, at + ALIAS_SLOT.SEQUENCE);
    if ((sequence & 1) !== 0) continue;
    for (let word = 1; word < ALIAS_SLOT.STRIDE; word++) into[word] = table[at + word]!;
    if (Atomics.load(table, at + ALIAS_SLOT.SEQUENCE) === sequence) return true;
  }
  return false;
}

function wordOf(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}
