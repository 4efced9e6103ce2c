/** What commands that give orders to a running server share: targets, and how an order is told. */
import type { ApiOptions } from './api-client.js';
import { plural, print } from './output.js';

export const TARGET = 'ZONE/POOL, ZONE/POOL/ADDRESS, region:NAME or ZONE/region:NAME';

/** How much an order is about. */
export interface Reach {
  readonly pools: number;
  readonly endpoints: number;
}

/** What a server answers to an order. */
export interface OrderDone {
  readonly revision: number;
  readonly changed: boolean;
  readonly id: string;
  readonly reaches?: Reach;
}

/** What an order did, and how to take it back. */
export function tell(done: OrderDone, options: ApiOptions, what: string, undo?: string): void {
  const { revision, changed, id, reaches } = done;
  print({ revision, changed, id, ...(reaches && { reaches }) }, options, () => {
    const reach = reaches ? ` (${reachText(reaches)})` : '';
    const back = undo === undefined ? '' : `\nTo undo it: ${undo}`;
    return `${id} ${what}${reach}; revision ${revision}${back}`;
  });
}

/** The command that takes back what holds for a target. */
export function resume(target: string): string {
  return `meridian resume ${shellWord(target)}`;
}

/** As it is typed in a shell: an asterisk needs quotes. */
export function shellWord(text: string): string {
  return /^[\w./:@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** `1 pool, 2 addresses`. */
export function reachText({ pools, endpoints }: Reach): string {
  return `${plural(pools, 'pool')}, ${plural(endpoints, 'address')}`;
}

/** Without what is absent. */
export function given(values: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
