import { RE2JS } from 're2js';

/** Each state costs time for each character of a text: far less than a monitor's pattern may have. */
const STATES_MAX = 250;

export type PatternCheck = { readonly problem: string } | { readonly groups: number };

/** Says why a text is no pattern of a route, or how many groups it has. RE2's syntax: always linear time. */
export function checkRoutePattern(pattern: string): PatternCheck {
  try {
    const compiled = RE2JS.compile(pattern);
    const states = compiled.programSize();
    if (states <= STATES_MAX) return { groups: compiled.groupCount() };
    return { problem: `is too complex: ${states} states, and at most ${STATES_MAX} are allowed` };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { problem: `must be a pattern in RE2's syntax: ${why.replace('error parsing regexp: ', '')}` };
  }
}
