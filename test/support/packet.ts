import { parseName } from '../../src/core/dns/name.js';

export interface OptSpec {
  /** Wire form of the owner; the root. */
  readonly owner?: readonly number[];
  readonly payload?: number;
  readonly version?: number;
  /** DO is 0x8000. */
  readonly flags?: number;
  readonly options?: readonly (readonly [code: number, data: readonly number[]])[];
}

export interface PacketSpec {
  readonly id?: number;
  /** The 16 bits of opcode and flags. */
  readonly flags?: number;
  readonly name?: string;
  /** Wire form, in place of `name`. */
  readonly wire?: readonly number[];
  readonly type?: number;
  readonly class?: number;
  readonly opts?: readonly OptSpec[];
  /** Records of the additional section in front of OPT, in wire form. */
  readonly additionals?: readonly (readonly number[])[];
  /** QDCOUNT, ANCOUNT, NSCOUNT, ARCOUNT; undefined: what is true. */
  readonly counts?: readonly (number | undefined)[];
  /** Bytes after the end. */
  readonly trailer?: readonly number[];
}

/** A query packet, byte by byte: also such as no honest client sends. */
export function packet(spec: PacketSpec): Uint8Array {
  const opts = spec.opts ?? [];
  const additionals = spec.additionals ?? [];
  const actual = [1, 0, 0, additionals.length + opts.length];
  const counts = actual.flatMap((count, i) => u16(spec.counts?.[i] ?? count));
  return Uint8Array.from([
    ...u16(spec.id ?? 0x1234),
    ...u16(spec.flags ?? 0),
    ...counts,
    ...(spec.wire ?? wireOf(spec.name ?? '.')),
    ...u16(spec.type ?? 1),
    ...u16(spec.class ?? 1),
    ...additionals.flat(),
    ...opts.flatMap(optRecord),
    ...(spec.trailer ?? []),
  ]);
}

/** Wire form of a name; the trailing dot may be left out. */
export function wireOf(name: string): Uint8Array {
  const wire = parseName(name.endsWith('.') ? name : `${name}.`);
  if (!(wire instanceof Uint8Array)) throw new Error(`${name}: ${wire.message}`);
  return wire;
}

/** The data of a client-subnet option (RFC 7871 §6), with the fields as they are given. */
export function subnetData(
  family: number,
  source: number,
  scope: number,
  address: readonly number[],
): number[] {
  return [...u16(family), source, scope, ...address];
}

export function u16(value: number): number[] {
  return [(value >> 8) & 0xff, value & 0xff];
}

function optRecord({ owner, payload, version, flags, options }: OptSpec): number[] {
  const data = (options ?? []).flatMap(([code, bytes]) => [...u16(code), ...u16(bytes.length), ...bytes]);
  return [
    ...(owner ?? [0]),
    ...[0, 41, ...u16(payload ?? 1232), 0, version ?? 0, ...u16(flags ?? 0)],
    ...[...u16(data.length), ...data],
  ];
}
