import { RE2JS } from 're2js';

/** A pattern with more states would cost more than a probe is worth; nested repeats make many of a short text. */
const PATTERN_STATES_MAX = 1000;

/** Why a text is no pattern, or undefined if it is one. RE2's syntax: no back references, and always linear time. */
export function patternProblem(pattern: string): string | undefined {
  try {
    const states = RE2JS.compile(pattern).programSize();
    if (states <= PATTERN_STATES_MAX) return undefined;
    return `is too complex: ${states} states, and at most ${PATTERN_STATES_MAX} are allowed`;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return `must be a pattern in RE2's syntax: ${why.replace('error parsing regexp: ', '')}`;
  }
}
