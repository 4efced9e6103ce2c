import { formatIPv4, formatIPv6, parseIPv4, parseIPv6 } from '../dns/rdata/address.js';
import type { ProxyHeader } from './v2.js';

/**
 * The PROXY protocol, version 1 (HAProxy, "The PROXY protocol", 2020/03/05, §2.1): one line of text in front of a
 * stream's first byte.
 *
 *     PROXY TCP4 192.0.2.7 198.51.100.1 40000 443\r\n
 */

/** Longest line with its CRLF, bytes. */
export const PROXY_LINE_MAX = 107;

const START = 'PROXY ';
const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;

/**
 * Reads the line at `start..end` of `bytes` into `header`. Returns its length with the CRLF, 0 if it is cut and more
 * bytes may complete it, -1 if it is none or a malformed one; `header` then means nothing. After `UNKNOWN` the
 * family is 0: the sender's own address counts.
 */
export function readProxyLine(bytes: Uint8Array, start: number, end: number, header: ProxyHeader): number {
  const limit = Math.min(end, start + PROXY_LINE_MAX);
  for (let i = 0; i < START.length && start + i < limit; i++) {
    if (bytes[start + i] !== START.charCodeAt(i)) return -1;
  }
  let at = start + START.length;
  while (at < limit && bytes[at] !== CR) {
    // What is no text can't become a line any more; bare line feeds end other protocols' lines.
    if (bytes[at]! < SPACE || bytes[at]! > 0x7e) return -1;
    at++;
  }
  if (at + 1 >= limit) return limit - start === PROXY_LINE_MAX ? -1 : 0;
  if (bytes[at + 1] !== LF) return -1;
  const line = textOf(bytes, start + START.length, at);
  return readFields(line, header) ? at + 2 - start : -1;
}

/** Writes the line for `header` at `at` of `into`, which needs room for PROXY_LINE_MAX bytes. Returns the end. */
export function writeProxyLine(header: ProxyHeader, into: Uint8Array, at: number): number {
  const line = header.family === 0 ? 'PROXY UNKNOWN\r\n' : lineOf(header, header.family);
  for (let i = 0; i < line.length; i++) into[at + i] = line.charCodeAt(i);
  return at + line.length;
}

function lineOf(header: ProxyHeader, family: 4 | 6): string {
  const format = family === 4 ? formatIPv4 : formatIPv6;
  const { source, destination, sourcePort, destinationPort } = header;
  return `PROXY TCP${family} ${format(source)} ${format(destination)} ${sourcePort} ${destinationPort}\r\n`;
}

function readFields(line: string, header: ProxyHeader): boolean {
  const fields = line.split(' ');
  // Whatever follows UNKNOWN is to be skipped.
  if (fields[0] === 'UNKNOWN') {
    header.family = 0;
    return true;
  }
  if (fields.length !== 5 || (fields[0] !== 'TCP4' && fields[0] !== 'TCP6')) return false;
  const family = fields[0] === 'TCP4' ? 4 : 6;
  const parse = family === 4 ? parseIPv4 : parseIPv6;
  const source = parse(fields[1]!);
  const destination = parse(fields[2]!);
  const sourcePort = parsePort(fields[3]!);
  const destinationPort = parsePort(fields[4]!);
  if (source === undefined || destination === undefined || sourcePort < 0 || destinationPort < 0)
    return false;
  header.family = family;
  header.source.set(source);
  header.destination.set(destination);
  header.sourcePort = sourcePort;
  header.destinationPort = destinationPort;
  return true;
}

function parsePort(text: string): number {
  const port = /^(?:0|[1-9]\d{0,4})$/.test(text) ? Number(text) : -1;
  return port <= 0xffff ? port : -1;
}

function textOf(bytes: Uint8Array, from: number, to: number): string {
  let text = '';
  for (let i = from; i < to; i++) text += String.fromCharCode(bytes[i]!);
  return text;
}
