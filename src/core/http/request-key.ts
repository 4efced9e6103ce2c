import { hashBytes, hashText, NO_KEY } from '../balance/hash.js';
import type { HashSource } from '../balance/model.js';
import { judgeCookies } from './cookie-find.js';
import type { Head } from './head.js';
import type { RequestFacts } from './hygiene.js';

/**
 * What a pool that hashes requests goes by: 31 bits, or NO_KEY for a request without the header or cookie. Of several
 * lines or cookies of one name the first counts; of the path, the normalised one without the query. `address` is the
 * client's IP address.
 */
export function requestKey(source: HashSource, head: Head, facts: RequestFacts, address: string): number {
  switch (source.key) {
    case 'address':
      return hashText(address);
    case 'path':
      return hashText(facts.target.path);
    case 'header':
      return headerKey(head, source.name);
    case 'cookie':
      return judgeCookies(head, source.name, cookieValueKey);
  }
}

function headerKey(head: Head, name: string): number {
  for (let i = 0; i < head.count; i++) {
    if (!head.nameIs(i, name)) continue;
    const start = head.base + head.valueStart[i]!;
    const end = head.base + head.valueEnd[i]!;
    return end > start ? hashBytes(head.bytes, start, end) : NO_KEY;
  }
  return NO_KEY;
}

/** An empty value is none. */
function cookieValueKey(bytes: Uint8Array, start: number, end: number): number {
  return end > start ? hashBytes(bytes, start, end) : NO_KEY;
}
