const SIGNATURE = [0x0d, 0x0a, 0x0d, 0x0a, 0, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];

/** A PROXY header, version 2, of its 13th and 14th byte and what follows the length. */
export function proxyHeader(command: number, family: number, rest: readonly number[]): Uint8Array {
  return Uint8Array.of(...SIGNATURE, command, family, rest.length >> 8, rest.length & 0xff, ...rest);
}
