/** What every command that shows something shares: for people, or with --json for programs. */
export interface OutputOptions {
  readonly json?: boolean;
}

/** The text of an answer: as JSON, or as `format` tells it to people, who get nothing that steers their terminal. */
export function textOf<T>(value: T, { json }: OutputOptions, format: (value: T) => string): string {
  return json ? JSON.stringify(value, null, 2) : format(harmless(value));
}

/**
 * An answer without control characters in its texts: zone files, reasons and messages come from others. Messages keep
 * their lines. What is no answer goes through `printable`.
 */
export function harmless<T>(answer: T): T {
  if (typeof answer !== 'object' || answer === null) return answer;
  const clean = JSON.stringify(answer, (key, value: unknown) => {
    if (typeof value !== 'string') return value;
    return value.replaceAll(key === 'message' ? UNWANTED_IN_LINES : UNWANTED, '\u{FFFD}');
  });
  return JSON.parse(clean) as T;
}

const UNWANTED = /[\p{Cc}\p{Cf}]/gu;
const UNWANTED_IN_LINES = /(?!\n)[\p{Cc}\p{Cf}]/gu;

/** Prints that. */
export function print<T>(value: T, options: OutputOptions, format: (value: T) => string): void {
  process.stdout.write(`${textOf(value, options, format)}\n`);
}

/** `1 zone`, `2 zones`, `2 addresses`. */
export function plural(count: number, noun: string): string {
  if (count === 1) return `1 ${noun}`;
  return `${count} ${noun}${noun.endsWith('s') ? 'es' : 's'}`;
}
