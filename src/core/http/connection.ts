/**
 * The Connection header (RFC 9110 §7.6.1): options for this hop, and names of fields that end at this hop.
 */

import { eachListElement, equalsIgnoreCase, isToken, latin1 } from './ascii.js';
import { FIELD } from './field.js';
import type { Head } from './head.js';

export interface ConnectionOptions {
  readonly close: boolean;
  readonly keepAlive: boolean;
  readonly upgrade: boolean;
  /** Lower-case names of other fields that must not be forwarded. */
  readonly named: readonly string[];
}

const NAMED_MAX = 32;
/** A sender that names one of these would make us forward a message with another meaning. */
const NEVER_NAMED: ReadonlySet<string> = new Set(['host', 'content-length', 'transfer-encoding']);
const NOTHING: ConnectionOptions = { close: false, keepAlive: false, upgrade: false, named: [] };

const CLOSE: ConnectionOptions = { close: true, keepAlive: false, upgrade: false, named: [] };
const KEEP_ALIVE: ConnectionOptions = { close: false, keepAlive: true, upgrade: false, named: [] };

/** What nearly every Connection header says, if it is one line and says just that. */
function usualOptions(head: Head, line: number): ConnectionOptions | null {
  if (head.find(FIELD.connection, line + 1) >= 0) return null;
  const start = head.base + head.valueStart[line]!;
  const end = head.base + head.valueEnd[line]!;
  if (equalsIgnoreCase(head.bytes, start, end, 'keep-alive')) return KEEP_ALIVE;
  return equalsIgnoreCase(head.bytes, start, end, 'close') ? CLOSE : null;
}

/** Reads all Connection lines; null if one isn't a list of tokens, is too long, or names a framing field. */
export function connectionOptions(head: Head): ConnectionOptions | null {
  let line = head.find(FIELD.connection);
  if (line < 0) return NOTHING;
  const usual = usualOptions(head, line);
  if (usual !== null) return usual;
  let bad = false;
  const flags = { close: false, keepAlive: false, upgrade: false };
  const named: string[] = [];
  for (; line >= 0; line = head.find(FIELD.connection, line + 1)) {
    eachListElement(
      head.bytes,
      head.base + head.valueStart[line]!,
      head.base + head.valueEnd[line]!,
      (start, end) => {
        if (start === end) return;
        const option = isToken(head.bytes, start, end) ? latin1(head.bytes, start, end).toLowerCase() : null;
        if (option === null || NEVER_NAMED.has(option) || named.length === NAMED_MAX) bad = true;
        else if (option === 'close') flags.close = true;
        else if (option === 'keep-alive') flags.keepAlive = true;
        else if (option === 'upgrade') flags.upgrade = true;
        else named.push(option);
      },
    );
  }
  return bad ? null : { ...flags, named };
}
