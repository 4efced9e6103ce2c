/**
 * Which requests are the same, so that one response can be given to all of them while it is on its way, and which responses may be
 * given to others than who asked (RFC 9111 §4, "collapsing", and §3, §3.5, §5.2).
 */

import type { Head } from './head.js';
import type { RequestFacts } from './hygiene.js';

/** Fields that tell who asks, or ask for more than the response as it is: such requests go alone. */
const PERSONAL: ReadonlySet<string> = new Set([
  'authorization',
  'cookie',
  'expect',
  'pragma',
  'proxy-authorization',
  'range',
  'upgrade',
]);

/** Fields that differ between clients without a meaning for what they get; where a response varies by one, it is not shared. */
const IGNORED: ReadonlySet<string> = new Set([
  'baggage',
  'dnt',
  'host',
  'keep-alive',
  'priority',
  'referer',
  'sec-ch-ua',
  'sec-ch-ua-mobile',
  'sec-ch-ua-platform',
  'sec-fetch-dest',
  'sec-fetch-mode',
  'sec-fetch-site',
  'sec-fetch-user',
  'sec-gpc',
  'traceparent',
  'tracestate',
  'upgrade-insecure-requests',
  'user-agent',
  'via',
  'x-correlation-id',
  'x-forwarded-for',
  'x-real-ip',
  'x-request-id',
]);

/**
 * The same text for requests that get the same response; null for one that goes alone: everything but a GET of HTTP/1.1 without a body,
 * credentials, cookies, ranges and conditions. All fields that are not known to be without a meaning are part of it.
 */
export function coalesceKey(head: Head, facts: RequestFacts): string | null {
  const { framing } = facts;
  const plain = facts.method === 'GET' && !facts.http10 && facts.keepAlive && facts.host !== null;
  if (!plain || framing.kind === 'chunked' || framing.length > 0) return null;
  let key = `${facts.host.toLowerCase()} ${facts.target.forwarded}`;
  for (let i = 0; i < head.count; i++) {
    const name = head.name(i).toLowerCase();
    if (IGNORED.has(name)) continue;
    if (PERSONAL.has(name) || name.startsWith('if-')) return null;
    const value = head.value(i);
    if (name === 'connection') {
      // It can name fields that the endpoint then does not see, although they are part of the key.
      if (value.toLowerCase() !== 'keep-alive') return null;
      continue;
    }
    if (name === 'cache-control' && /no-/i.test(value)) return null;
    key += `\n${name}:${value}`;
  }
  return key;
}

/** Final statuses that say the same to everybody. */
const SHAREABLE: ReadonlySet<number> = new Set([
  200, 203, 204, 300, 301, 302, 303, 307, 308, 404, 405, 410, 414, 500, 501, 502, 503, 504,
]);

/** Whether the response with this head may be given to all requests with the same key. */
export function isShareable(head: Head): boolean {
  if (!SHAREABLE.has(head.status)) return false;
  for (let i = 0; i < head.count; i++) {
    switch (head.name(i).toLowerCase()) {
      case 'set-cookie':
        return false;
      case 'connection':
        // Its end is the end of the connection, or it is the last on one.
        return false;
      case 'cache-control':
        if (/private|no-store/i.test(head.value(i))) return false;
        break;
      case 'content-type':
        // They end when they want, and are for whoever listens from their beginning.
        if (/^(?:text\/event-stream|multipart\/)/i.test(head.value(i))) return false;
        break;
      case 'vary':
        if (!isKeyedBy(head.value(i))) return false;
        break;
      default:
        break;
    }
  }
  return true;
}

/** Whether everything that the response varies by is a part of the key. */
function isKeyedBy(vary: string): boolean {
  return vary.split(',').every((one) => {
    const name = one.trim().toLowerCase();
    return name !== '*' && !IGNORED.has(name);
  });
}
