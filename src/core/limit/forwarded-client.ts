import { parseIPv4, parseIPv6 } from '../dns/rdata/address.js';
import { isBlank, latin1 } from '../http/ascii.js';
import { FIELD } from '../http/field.js';
import type { Head } from '../http/head.js';

const COMMA = 44;
/** The longest address in brackets, and a port. */
const ELEMENT_LENGTH_MAX = 45 + 2 + 6;
/** Some proxies write the port too, as RFC 7239 §6 does. */
const WITH_PORT = /^(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::\d{1,5})?$/;

/**
 * The client that a trusted proxy names: the last element of the last X-Forwarded-For line, which that proxy itself has written,
 * without a port. What stands before it may be the client's invention. `peer`, the proxy's own address, where there is none, and
 * where it is no address: no list of clients knows what that would be.
 */
export function forwardedClient(head: Head, peer: string): string {
  for (let i = head.count - 1; i >= 0; i--) {
    if (head.ids[i] !== FIELD.xForwardedFor) continue;
    const { bytes, base } = head;
    const first = base + head.valueStart[i]!;
    let end = base + head.valueEnd[i]!;
    while (end > first && isBlank(bytes[end - 1]!)) end--;
    let start = end;
    while (start > first && bytes[start - 1] !== COMMA && !isBlank(bytes[start - 1]!)) start--;
    const length = end - start;
    if (length === 0 || length > ELEMENT_LENGTH_MAX) return peer;
    const element = latin1(bytes, start, end);
    if (element === lastElement) return lastAddress ?? peer;
    lastAddress = addressIn(element);
    lastElement = element;
    return lastAddress ?? peer;
  }
  return peer;
}

/** Clients ask several times in a row. */
let lastElement = '';
let lastAddress: string | undefined;

function addressIn(element: string): string | undefined {
  if (isAddress(element)) return element;
  const match = WITH_PORT.exec(element);
  if (match === null) return undefined;
  const [, inBrackets, plain = ''] = match;
  if (inBrackets !== undefined) return parseIPv6(inBrackets) === undefined ? undefined : inBrackets;
  return parseIPv4(plain) === undefined ? undefined : plain;
}

function isAddress(text: string): boolean {
  return parseIPv4(text) !== undefined || parseIPv6(text) !== undefined;
}
