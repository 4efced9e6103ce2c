/** Ethernet frames with UDP datagrams in them, byte by byte: also such as no honest host sends. */

export interface FrameSpec {
  readonly family: 4 | 6;
  readonly payload: Uint8Array;
  readonly macs?: readonly [to: readonly number[], from: readonly number[]];
  readonly source?: readonly number[];
  readonly destination?: readonly number[];
  readonly sourcePort?: number;
  readonly port?: number;
  /** Bytes after the datagram, as in frames of less than 60 bytes. */
  readonly padding?: number;
  /** Bytes to write over the finished frame, by where they are in it. */
  readonly over?: Readonly<Record<number, number>>;
}

export const TO: readonly number[] = [0x02, 0, 0, 0, 0, 1];
export const FROM: readonly number[] = [0x02, 0, 0, 0, 0, 2];
/** 192.0.2.1 or 2001:db8::1. */
export const clientOf = (family: 4 | 6): readonly number[] => address(family, 1);
/** 192.0.2.53 or 2001:db8::35. */
export const serverOf = (family: 4 | 6): readonly number[] => address(family, 53);

export function frame(spec: FrameSpec): Uint8Array<ArrayBuffer> {
  const { family, payload, macs = [TO, FROM], sourcePort = 4000, port = 53, padding = 0 } = spec;
  const source = spec.source ?? clientOf(family);
  const destination = spec.destination ?? serverOf(family);
  const udpBytes = 8 + payload.length;
  const udp = [...u16(sourcePort), ...u16(port), ...u16(udpBytes), 0, 0, ...payload];
  const ip =
    family === 4
      ? [0x45, 0, ...u16(20 + udpBytes), 0x12, 0x34, 0, 0, 63, 17, 0, 0, ...source, ...destination]
      : [0x60, 0, 0, 0, ...u16(udpBytes), 17, 63, ...source, ...destination];
  const type = family === 4 ? [0x08, 0x00] : [0x86, 0xdd];
  const bytes = Uint8Array.from([...macs.flat(), ...type, ...ip, ...udp, ...new Array(padding).fill(0)]);
  for (const [at, value] of Object.entries(spec.over ?? {})) bytes[Number(at)] = value;
  return bytes;
}

/** What a host finds in a frame that came in; throws where it would drop it. */
export function received(bytes: Uint8Array): {
  readonly to: readonly number[];
  readonly from: readonly number[];
  readonly family: 4 | 6;
  readonly source: readonly number[];
  readonly destination: readonly number[];
  readonly sourcePort: number;
  readonly port: number;
  readonly hops: number;
  readonly payload: Uint8Array;
} {
  const at = (from: number, length: number): readonly number[] => [...bytes.subarray(from, from + length)];
  const number = (from: number): number => bytes[from]! * 256 + bytes[from + 1]!;
  const isIPv4 = number(12) === 0x0800;
  const [source, destination] = isIPv4 ? [at(26, 4), at(30, 4)] : [at(22, 16), at(38, 16)];
  const udp = isIPv4 ? 34 : 54;
  const udpBytes = number(udp + 4);
  if (isIPv4) {
    expectThat(number(16) === 20 + udpBytes, 'length of IPv4');
    expectThat(onesSum(at(14, 20)) === 0xffff, 'checksum of IPv4');
    expectThat(number(20) === 0x4000, 'not to be fragmented');
  } else {
    expectThat(number(12) === 0x86dd && bytes[14] === 0x60, 'IPv6');
    expectThat(number(18) === udpBytes, 'length of IPv6');
  }
  expectThat(bytes.length === udp + udpBytes, 'length of the frame');
  expectThat(number(udp + 6) !== 0, 'a checksum of UDP');
  const pseudo = [...source, ...destination, 0, 17, ...u16(udpBytes)];
  expectThat(onesSum([...pseudo, ...at(udp, udpBytes)]) === 0xffff, 'checksum of UDP');
  return {
    to: at(0, 6),
    from: at(6, 6),
    family: isIPv4 ? 4 : 6,
    source,
    destination,
    sourcePort: number(udp),
    port: number(udp + 2),
    hops: bytes[isIPv4 ? 22 : 21]!,
    payload: bytes.slice(udp + 8),
  };
}

/** RFC 1071, one word after the other. */
function onesSum(bytes: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) {
    sum += bytes[i]! * 256 + (bytes[i + 1] ?? 0);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return sum;
}

function expectThat(holds: boolean, what: string): void {
  if (!holds) throw new Error(`wrong: ${what}`);
}

function address(family: 4 | 6, last: number): readonly number[] {
  if (family === 4) return [192, 0, 2, last];
  return [0x20, 0x01, 0x0d, 0xb8, ...new Array(11).fill(0), last];
}

function u16(value: number): readonly [number, number] {
  return [value >> 8, value & 0xff];
}
