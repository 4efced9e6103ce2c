/** Changes of header fields, made ready for the writers of heads in rewrite.ts. */

import { equalsIgnoreCase } from './ascii.js';
import type { Head } from './head.js';
import type { Field, FieldChanges } from './route-action.js';

export interface FieldEdits {
  /** Whole lines with CRLF, after those of the message. */
  readonly lines: string;
  /** True if line `i` of the message doesn't go on. */
  drops(head: Head, i: number): boolean;
}

/** Null if nothing changes. The changes were checked: names are tokens, values have no control characters. */
export function fieldEdits({ set, add, remove }: FieldChanges): FieldEdits | null {
  if (set.length + add.length + remove.length === 0) return null;
  const dropped = [...remove, ...set.map(({ name }) => name)].map((name) => name.toLowerCase());
  return { lines: fieldLines([...set, ...add]), drops: dropper(dropped) };
}

/** `Name: value`, each with its CRLF. */
export function fieldLines(fields: readonly Field[]): string {
  return fields.map(({ name, value }) => `${name}: ${value}\r\n`).join('');
}

/** Most lines are told apart by their length alone. */
function dropper(names: readonly string[]): FieldEdits['drops'] {
  const lengths = new Uint8Array(256);
  for (const name of names) lengths[name.length] = 1;
  return (head, i) => {
    const start = head.base + head.nameStart[i]!;
    const end = head.base + head.nameEnd[i]!;
    if (lengths[end - start] !== 1) return false;
    for (let n = 0; n < names.length; n++) {
      if (equalsIgnoreCase(head.bytes, start, end, names[n]!)) return true;
    }
    return false;
  };
}
