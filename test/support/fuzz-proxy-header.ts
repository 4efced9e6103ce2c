import {
  ANY_HEADER_MAX,
  describeConnection,
  readAnyHeader,
  writeAnyHeader,
} from '../../src/core/proxy-protocol/header.js';
import { createProxyHeader, type ProxyHeader } from '../../src/core/proxy-protocol/v2.js';
import { below, generator } from './fuzz-http-messages.js';

const SOURCES = ['192.0.2.1', '255.255.255.255', '0.0.0.0', '2001:db8::1', '::', '::ffff:192.0.2.1'] as const;
const BYTES = '\0\r\n\t 0159:.-+PUTxX\x20\x21\x11\x12\x7f\xff';
/** The second opinion on version 1: no leading zeros, no signs, one space, at most 107 bytes. */
const OCTET = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const PORT = '(?:0|[1-9]\\d{0,4})';
const LINE_4 = new RegExp(
  `^PROXY TCP4 ${OCTET}(?:\\.${OCTET}){3} ${OCTET}(?:\\.${OCTET}){3} ${PORT} ${PORT}\\r\\n$`,
);
const LINE_6 = new RegExp(`^PROXY TCP6 [0-9A-Fa-f:.]{2,45} [0-9A-Fa-f:.]{2,45} ${PORT} ${PORT}\\r\\n$`);
const LINE_UNKNOWN = /^PROXY UNKNOWN(?: [ -~]*)?\r\n$/;

/** A header with mistakes that broke a rule: seed and index make it again. */
export class ProxyHeaderFuzz {
  accepted = 0;
  refused = 0;
  incomplete = 0;
  readonly #seed: number;
  readonly #header: ProxyHeader = createProxyHeader();

  constructor(seed: number) {
    this.#seed = seed;
  }

  run(from: number, to: number): void {
    for (let index = from; index < to; index++) {
      const bytes = this.#make(generator(Math.imul(this.#seed, 0x9e3779b1) ^ index ^ 0x5eed));
      const problem = this.#problem(bytes);
      if (problem !== null) {
        throw new Error(
          `${problem}\nseed ${this.#seed}, PROXY header ${index}: ${Buffer.from(bytes).toString('hex')}`,
        );
      }
    }
  }

  #make(random: () => number): Uint8Array {
    const any = (): string => SOURCES[below(SOURCES.length, random)]!;
    const header = createProxyHeader();
    const port = (): number => below(65_536, random);
    describeConnection({ host: any(), port: port() }, { host: any(), port: port() }, header);
    if (random() < 0.1) header.family = 0;
    const into = new Uint8Array(ANY_HEADER_MAX + 64);
    const tlvs =
      random() < 0.5 ? [] : [{ type: 1 + below(255, random), value: new Uint8Array(below(80, random)) }];
    const end = writeAnyHeader(random() < 0.5 ? 'v1' : 'v2', header, tlvs, into, 0);
    let text = `${Buffer.from(into.subarray(0, end)).toString('latin1')}GET / HTTP/1.1\r\n`;
    for (let left = below(4, random); left > 0; left--) {
      const at = below(Math.min(text.length, end), random);
      const byte = BYTES[below(BYTES.length, random)]!;
      const width = below(3, random);
      text = text.slice(0, at) + (width === 2 ? '' : byte) + text.slice(at + (width === 1 ? 0 : 1));
    }
    return Buffer.from(random() < 0.1 ? text.slice(0, below(end, random)) : text, 'latin1');
  }

  #problem(bytes: Uint8Array): string | null {
    const length = readAnyHeader(bytes, 0, bytes.length, this.#header);
    if (!Number.isInteger(length) || length < -1 || length > Math.min(bytes.length, ANY_HEADER_MAX))
      return `length ${length}`;
    if (length > 0) this.accepted++;
    else if (length < 0) this.refused++;
    else this.incomplete++;
    const scratch = createProxyHeader();
    for (let end = 0; end < bytes.length; end++) {
      const early = readAnyHeader(bytes, 0, end, scratch);
      if (length > 0 && early !== (end < length ? 0 : length))
        return `${early} for the first ${end} bytes, ${length} for all`;
      if (length === 0 && early !== 0) return `${early} for the first ${end} bytes, incomplete as a whole`;
      if (length < 0 && early > 0) return `${early} for the first ${end} bytes, refused as a whole`;
    }
    if (length <= 0 || bytes[0] !== 0x50) return null;
    const line = Buffer.from(bytes.subarray(0, length)).toString('latin1');
    const pattern = { 0: LINE_UNKNOWN, 4: LINE_4, 6: LINE_6 }[this.#header.family];
    return pattern.test(line) ? null : `accepted as family ${this.#header.family}: ${JSON.stringify(line)}`;
  }
}
