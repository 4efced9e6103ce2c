/** Monitors that are made from others: the endpoint is up if `all`, `any`, or `at_least` so many of them say so, or one does not. */
export interface Calculation {
  readonly kind: 'all' | 'any' | 'at_least' | 'not';
  /** How many, for `at_least`. */
  readonly count?: number;
}

/** What comes out of the states of the others. */
export function calculate(
  { kind, count = 1 }: Calculation,
  states: readonly ('up' | 'down')[],
): 'up' | 'down' {
  const up = states.filter((state) => state === 'up').length;
  switch (kind) {
    case 'all':
      return up === states.length ? 'up' : 'down';
    case 'any':
      return up > 0 ? 'up' : 'down';
    case 'at_least':
      return up >= count ? 'up' : 'down';
    case 'not':
      return up === 0 ? 'up' : 'down';
    default:
      kind satisfies never;
      throw new Error(`unknown calculation ${String(kind)}`);
  }
}
