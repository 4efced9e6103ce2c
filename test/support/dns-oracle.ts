import { createRequire } from 'node:module';
import type { Message } from '../../src/core/dns/message.js';

interface OracleRecord {
  readonly name: string;
  readonly type: string;
  readonly ttl?: number;
  readonly data?: unknown;
}

interface OracleMessage {
  readonly id: number;
  readonly type: 'query' | 'response';
  readonly flag_aa: boolean;
  readonly flag_tc: boolean;
  readonly rcode: string;
  readonly questions: readonly { readonly name: string; readonly type: string }[];
  readonly answers: readonly OracleRecord[];
  readonly authorities: readonly OracleRecord[];
  readonly additionals: readonly OracleRecord[];
}

const oracle = createRequire(import.meta.url)('dns-packet') as {
  decode(bytes: Buffer): OracleMessage;
};

/** What dns-packet, an independent decoder, reads; it throws where it can't. */
export function oracleDecode(bytes: Uint8Array): OracleMessage {
  return oracle.decode(Buffer.from(bytes));
}

/** Throws where dns-packet reads the message otherwise than we do. */
export function expectSameAsOracle(bytes: Uint8Array, message: Message): void {
  const other = oracleDecode(bytes);
  const sections = ['answers', 'authorities', 'additionals'] as const;
  const theirs = [
    [other.id, other.type, other.flag_aa, other.flag_tc],
    ...sections.map((section) => other[section].filter(({ type }) => type !== 'OPT').map(theirRecord)),
  ];
  const ours = [
    [message.id, 'response', message.authoritative, message.truncated],
    ...sections.map((section) => message[section].map(ourRecord)),
  ];
  if (JSON.stringify(ours) !== JSON.stringify(theirs)) {
    throw new Error(`decoders disagree:\n${JSON.stringify(ours)}\n${JSON.stringify(theirs)}`);
  }
}

function theirRecord({ name, ttl, type, data }: OracleRecord): readonly unknown[] {
  return [theirName(name), ttl, ...valueKey(type, theirName(String(data)))];
}

const NUMBERS: Readonly<Record<number, string>> = { 1: 'A', 2: 'NS', 5: 'CNAME', 12: 'PTR' };

function ourRecord({ name, ttl, type, rdata }: Message['answers'][number]): readonly unknown[] {
  return [ourName(name), ttl, ...valueKey(NUMBERS[type] ?? '', ourName(rdata))];
}

/** Types whose text is the same for both, once the final dot is gone. */
function valueKey(type: string, value: string): readonly unknown[] {
  return Object.values(NUMBERS).includes(type) ? [type, value] : [];
}

/** Our text without escapes and final dot; bytes that are no ASCII are left out, as dns-packet takes them for UTF-8. */
function ourName(name: string): string {
  const plain = name.replace(/\\(\d{3}|.)/g, (_, escaped: string) =>
    escaped.length === 3 ? String.fromCharCode(Number(escaped)) : escaped,
  );
  return theirName(plain.endsWith('.') ? plain.slice(0, -1) : plain);
}

function theirName(name: string): string {
  if (name === '.') return '';
  return [...name]
    .map((character) => (character < '\x80' ? character : '?'))
    .join('')
    .replace(/\?+/g, '?');
}
