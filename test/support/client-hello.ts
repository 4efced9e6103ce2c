/** ClientHellos made byte by byte, for what real clients would never send. */

export interface HelloParts {
  readonly version?: number;
  readonly session?: number;
  readonly suites?: readonly number[];
  readonly methods?: readonly number[];
  readonly extensions?: readonly (readonly [type: number, value: readonly number[]])[] | null;
  readonly after?: readonly number[];
}

export function u16(value: number): readonly number[] {
  return [value >> 8, value & 0xff];
}

export function serverName(name: string, type = 0): readonly [number, readonly number[]] {
  const bytes = [...Buffer.from(name, 'latin1')];
  return [0, [...u16(bytes.length + 3), type, ...u16(bytes.length), ...bytes]];
}

export function alpn(...protocols: readonly string[]): readonly [number, readonly number[]] {
  const list = protocols.flatMap((protocol) => [protocol.length, ...Buffer.from(protocol, 'latin1')]);
  return [16, [...u16(list.length), ...list]];
}

/** The handshake message. */
export function helloMessage(parts: HelloParts = {}): readonly number[] {
  const { version = 0x0303, session = 32, suites = [0x13, 0x01], methods = [0], extensions = [] } = parts;
  const list = extensions?.flatMap(([type, value]) => [...u16(type), ...u16(value.length), ...value]);
  const body = [
    ...u16(version),
    ...Array<number>(32).fill(7),
    session,
    ...Array<number>(session).fill(8),
    ...u16(suites.length),
    ...suites,
    methods.length,
    ...methods,
    ...(list === undefined ? [] : [...u16(list.length), ...list]),
    ...(parts.after ?? []),
  ];
  return [1, body.length >> 16, ...u16(body.length & 0xffff), ...body];
}

/** A message in records of at most `size` bytes. */
export function records(message: readonly number[], size = 16_384): Uint8Array {
  const out: number[] = [];
  for (let at = 0; at < message.length; at += size) {
    const part = message.slice(at, at + size);
    out.push(22, 3, 1, ...u16(part.length), ...part);
  }
  return Uint8Array.from(out);
}
