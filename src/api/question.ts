import { typeNumber } from '../core/dns/iana.js';
import type { ClientSubnet } from '../core/dns/message.js';
import { isNameError, parseName } from '../core/dns/name.js';
import { parseIPv4, parseIPv6 } from '../core/dns/rdata/address.js';

/** A DNS question of a client, as text. */
export interface QuestionText {
  readonly name: string;
  readonly type: string;
  readonly subnet?: string | undefined;
}

export interface Question {
  /** Wire form. */
  readonly name: Uint8Array;
  readonly type: number;
  readonly subnet?: ClientSubnet;
}

/** Why a text is no question; `code` is that of the problem. */
export interface QuestionError {
  readonly code: 'invalid_name' | 'invalid_type' | 'invalid_subnet';
  readonly detail: string;
}

/** Reads a question: a name with or without its last dot, a type, and perhaps an address or a prefix. */
export function readQuestion(text: QuestionText): Question | QuestionError {
  const name = readName(text.name);
  if ('code' in name) return name;
  const type = typeNumber(text.type);
  if (type === undefined) {
    return { code: 'invalid_type', detail: `type: ${text.type} is no RR type; use A, AAAA, … or TYPE123` };
  }
  if (text.subnet === undefined) return { name, type };
  const subnet = readSubnet(text.subnet);
  if (!subnet) {
    const detail = 'subnet: want an IP address, or a prefix such as 192.0.2.0/24';
    return { code: 'invalid_subnet', detail };
  }
  return { name, type, subnet };
}

export function readName(text: string): Uint8Array | QuestionError {
  const name = parseName(text.endsWith('.') ? text : `${text}.`);
  return isNameError(name) ? { code: 'invalid_name', detail: `name: ${name.message}` } : name;
}

/** `192.0.2.0/24`, or an address, which stands for all of itself; undefined if it is neither. */
function readSubnet(text: string): ClientSubnet | undefined {
  const [host = '', length, ...rest] = text.split('/');
  const address = parseIPv4(host) ?? parseIPv6(host);
  if (!address || rest.length > 0) return undefined;
  if (length === undefined) return { address, sourcePrefix: address.length * 8 };
  if (!/^\d{1,3}$/.test(length) || Number(length) > address.length * 8) return undefined;
  return { address, sourcePrefix: Number(length) };
}
