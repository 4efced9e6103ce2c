/** `$GENERATE` of BIND: one line for each number of a range. */
import type { Scanner } from './scanner.js';
import { wordText } from './word.js';

export interface Range {
  readonly start: number;
  readonly stop: number;
  readonly step: number;
}

/** `1-100` or `1-100/2`; undefined for anything else. */
export function readRange(text: string): Range | undefined {
  const match = /^(\d{1,10})-(\d{1,10})(?:\/(\d{1,10}))?$/.exec(text);
  if (!match) return undefined;
  const [start, stop, step] = [Number(match[1]), Number(match[2]), Number(match[3] ?? 1)];
  return start <= stop && stop <= 0x7fffffff && step > 0 ? { start, stop, step } : undefined;
}

/** The words from `first` on as one line, for numbers to be put in by `expand`. */
export function templateOf(scanner: Scanner, first: number): string {
  const words: string[] = [];
  for (let i = first; i < scanner.count; i++) {
    const text = wordText(scanner.bytes, scanner.starts[i]!, scanner.ends[i]!);
    words.push(scanner.quoted[i] === 1 ? `"${text}"` : text);
  }
  return words.join(' ');
}

/** `$` and `${offset,width,base}` replaced; `$$` and `\$` are a dollar. What is wrong comes as `message`. */
export function expand(
  template: string,
  n: number,
): { readonly line: string } | { readonly message: string } {
  let wrong: string | undefined;
  const line = template.replaceAll(
    /\\[\s\S]|\$\$|\$(?:\{([^}]{0,40})\})?/g,
    (match, format: string | undefined) => {
      if (match.startsWith('\\')) return match;
      if (match === '$$') return '\\$';
      if (format === undefined) return String(n);
      const text = formatted(n, format);
      wrong ??=
        text === undefined
          ? `\${${format}} must be \${offset,width,base}: base d, o, x, X, n or N`
          : undefined;
      return text ?? '';
    },
  );
  return wrong === undefined ? { line } : { message: wrong };
}

const WIDTH_MAX = 255;

function formatted(n: number, format: string): string | undefined {
  const match = /^(-?\d{1,10})(?:,(\d{1,3})(?:,([doxXnN]))?)?$/.exec(format);
  const value = n + Number(match?.[1]);
  const width = Number(match?.[2] ?? 0);
  if (!match || value < 0 || width > WIDTH_MAX) return undefined;
  switch (match[3] ?? 'd') {
    case 'o':
      return value.toString(8).padStart(width, '0');
    case 'x':
      return value.toString(16).padStart(width, '0');
    case 'X':
      return value.toString(16).toUpperCase().padStart(width, '0');
    case 'n':
      return nibbles(value.toString(16), width);
    case 'N':
      return nibbles(value.toString(16).toUpperCase(), width);
    default:
      return String(value).padStart(width, '0');
  }
}

/** Digits in reverse order with dots between, as in ip6.arpa; the width counts the dots. */
function nibbles(hex: string, width: number): string {
  return [...hex.padStart(Math.ceil(width / 2), '0')].reverse().join('.');
}
