import { RE2JS } from 're2js';
import type { Pattern } from '../core/http/route-match.js';

/**
 * A pattern in RE2's syntax: no back references, and time that grows with the text only linearly. The text of a
 * checked configuration compiles; should one not, it matches nothing.
 */
export function compilePattern(source: string): Pattern {
  const known = compiled.get(source);
  if (known !== undefined) return known;
  const made = newPattern(source);
  if (compiled.size >= COMPILED_MAX) compiled.clear();
  compiled.set(source, made);
  return made;
}

/** A pattern of many routes is compiled once: its automaton grows with use. */
const compiled = new Map<string, Pattern>();
const COMPILED_MAX = 10_000;

function newPattern(source: string): Pattern {
  let re: RE2JS;
  try {
    re = RE2JS.compile(source);
  } catch {
    return { test: () => false, groups: () => null };
  }
  return {
    test: (text) => re.testExact(text),
    groups(text) {
      // Nearly all the time goes into finding groups: texts that don't match are told apart without.
      if (!re.testExact(text)) return null;
      const matcher = re.matcher(text);
      if (!matcher.matches()) return null;
      return Array.from({ length: matcher.groupCount() + 1 }, (_, group) => matcher.group(group) ?? '');
    },
  };
}
