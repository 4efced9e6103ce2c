/** A share of 0 to 1 as people read it: `37.5 %`, `0.02 %`; never 0 % or 100 % where it is not. */
export function percent(share: number): string {
  const value = share * 100;
  if (value <= 0) return '0 %';
  if (value >= 100) return '100 %';
  if (value > 99.95) return '>99.9 %';
  if (value < 0.01) return '<0.01 %';
  const digits = value < 1 ? 2 : 1;
  return `${Number(value.toFixed(digits))} %`;
}

const FULL = '█';
/** Eighths of a cell, from one to seven. */
const PARTS = ['▏', '▎', '▍', '▌', '▋', '▊', '▉'] as const;

/** A bar of at most `width` cells; what is above 0 has at least an eighth of a cell. */
export function bar(share: number, width: number): string {
  const eighths = Math.min(Math.max(Math.round(share * width * 8), share > 0 ? 1 : 0), width * 8);
  return FULL.repeat(eighths >> 3) + (PARTS[(eighths & 7) - 1] ?? '');
}

/** A count as people read it: `4.3 G`, `65.5 k`. */
export function amount(count: number): string {
  for (const [unit, size] of UNITS) if (count >= size) return `${(count / size).toPrecision(3)} ${unit}`;
  return String(Math.round(count * 100) / 100);
}

const UNITS = [
  ['T', 1e12],
  ['G', 1e9],
  ['M', 1e6],
  ['k', 1e3],
] as const;
