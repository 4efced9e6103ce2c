import { RE2JS } from 're2js';
import { BODY_BYTES_JUDGED, type BodyMatch } from '../core/zone/check.js';

/** Compiled patterns that are kept; as many as a thousand zones with one each. */
const COMPILED_MAX = 1000;

/** Gathers the first bytes of a body and says whether they hold what is wanted. */
export class BodyJudge {
  readonly #match: BodyMatch;
  readonly #bytes = Buffer.allocUnsafe(BODY_BYTES_JUDGED);
  #length = 0;

  constructor(match: BodyMatch) {
    this.#match = match;
  }

  /** Takes more of the body. True when nothing that comes later can change the result. */
  push(bytes: Uint8Array): boolean {
    const from = this.#length;
    const taken = bytes.subarray(0, BODY_BYTES_JUDGED - from);
    this.#bytes.set(taken, from);
    this.#length += taken.length;
    if (this.#length === BODY_BYTES_JUDGED) return true;
    // A pattern may be about the end, so it is asked only there.
    return 'contains' in this.#match && this.#contains(this.#match.contains, from);
  }

  ok(): boolean {
    if ('contains' in this.#match) return this.#contains(this.#match.contains, 0);
    const text = this.#bytes.toString('utf8', 0, this.#length);
    try {
      return compiled(this.#match.matches).matcher(text).find();
    } catch {
      // No zone file is loaded with a text that is no pattern; and nobody could catch it where this is called.
      return false;
    }
  }

  #contains(text: string, newFrom: number): boolean {
    const wanted = Buffer.from(text);
    const from = Math.max(newFrom - wanted.length + 1, 0);
    return this.#bytes.subarray(from, this.#length).includes(wanted);
  }
}

/** `body without "ok"` */
export function describeMiss(match: BodyMatch): string {
  const what = 'contains' in match ? JSON.stringify(match.contains) : `a match of ${match.matches}`;
  return `body without ${what.length > 60 ? `${what.slice(0, 59)}…` : what}`;
}

const patterns = new Map<string, RE2JS>();

function compiled(pattern: string): RE2JS {
  const known = patterns.get(pattern);
  if (known) return known;
  if (patterns.size >= COMPILED_MAX) patterns.clear();
  const fresh = RE2JS.compile(pattern);
  patterns.set(pattern, fresh);
  return fresh;
}
