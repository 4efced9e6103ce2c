import { hashText, NO_KEY } from '../../core/balance/hash.js';
import type { HashSource } from '../../core/balance/model.js';
import { fieldEdits } from '../../core/http/field-edits.js';
import type { Head } from '../../core/http/head.js';
import type { RequestFacts } from '../../core/http/hygiene.js';
import { requestKey } from '../../core/http/request-key.js';
import type { FieldChanges } from '../../core/http/route-action.js';
import {
  AS_CONFIGURED,
  armAt,
  armByShare,
  armEnds,
  positionOfDraw,
  positionOfKey,
  SPLIT_POSITIONS,
  type SplitModel,
} from '../../core/http/split.js';
import { SplitCookie } from '../../core/http/split-cookie.js';
import { ROUTE_CELL, type RouteCells } from '../route-cells.js';
import type { HttpRoute } from './context.js';

export interface SplitModules {
  readonly cells: RouteCells;
  /** SPLIT_SECRET_BYTES each; the first one makes cookies. */
  readonly secrets: readonly Uint8Array[];
  /** 0 to below 1. */
  readonly random: () => number;
}

/** Decides which pool of a route a request goes to. Shares are read for each request: a change takes no reload. */
export class PoolSplit {
  readonly #routes: readonly HttpRoute[];
  readonly #ends: Int32Array;
  readonly #slot: number;
  readonly #salt: number;
  readonly #source: HashSource | null;
  readonly #cookie: SplitCookie | null;
  readonly #cells: RouteCells;
  readonly #random: () => number;
  readonly #marked: ((route: HttpRoute, position: number) => HttpRoute) | null;

  /**
   * @param routes to each pool, in the order of the arms.
   * @param response what the route changes in responses already.
   */
  constructor(
    { name, arms, stick, slot = 0 }: SplitModel,
    routes: readonly HttpRoute[],
    { response, secure }: { readonly response: FieldChanges | undefined; readonly secure: boolean },
    { cells, secrets, random }: SplitModules,
  ) {
    this.#routes = routes;
    this.#ends = armEnds(arms);
    this.#slot = slot;
    this.#salt = hashText(name);
    this.#cells = cells;
    this.#random = random;
    this.#source = stick.by === 'hash' ? stick.source : null;
    if (stick.by !== 'cookie') {
      this.#cookie = null;
      this.#marked = null;
      return;
    }
    const cookie = new SplitCookie(stick.cookie, name, secrets);
    const attributes = `; Path=/; Max-Age=${stick.seconds}; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`;
    this.#cookie = cookie;
    this.#marked = marker(
      routes,
      response,
      (position) => cookie.valueOf(position) + attributes,
      stick.cookie,
    );
  }

  /** The route to the pool that takes this request; with a response that sets the cookie where the client has none. */
  choose(head: Head, facts: RequestFacts, address: string): HttpRoute {
    const known = this.#positionOf(head, facts, address);
    const position = known >= 0 ? known : positionOfDraw(this.#random());
    const share = this.#cells.share(this.#slot);
    const arm = share === AS_CONFIGURED ? armAt(this.#ends, position) : armByShare(share, position);
    let route = this.#routes[arm]!;
    if (route.pool.healthy === 0) route = this.#elsewhere(route);
    return known < 0 && this.#marked !== null ? this.#marked(route, position) : route;
  }

  #positionOf(head: Head, facts: RequestFacts, address: string): number {
    if (this.#cookie !== null) return this.#cookie.positionOf(head);
    if (this.#source === null) return -1;
    const key = requestKey(this.#source, head, facts, address);
    return key === NO_KEY ? -1 : positionOfKey(key, this.#salt);
  }

  /** A pool without an endpoint that is up gives its requests to the first one that has some. */
  #elsewhere(route: HttpRoute): HttpRoute {
    for (let i = 0; i < this.#routes.length; i++) {
      const other = this.#routes[i]!;
      if (other.pool.healthy === 0) continue;
      this.#cells.count(this.#slot, ROUTE_CELL.DIVERTED);
      return other;
    }
    return route;
  }
}

/** Routes whose responses set the cookie, made when they are wanted first: there are as many as positions and pools. */
function marker(
  routes: readonly HttpRoute[],
  response: FieldChanges | undefined,
  cookieOf: (position: number) => string,
  name: string,
): (route: HttpRoute, position: number) => HttpRoute {
  const made = new Map(routes.map((route) => [route, new Array<HttpRoute | undefined>(SPLIT_POSITIONS)]));
  const { set = [], add = [], remove = [] } = response ?? {};
  return (route, position) => {
    const known = made.get(route)![position];
    if (known !== undefined) return known;
    const cookie = { name: 'Set-Cookie', value: `${name}=${cookieOf(position)}` };
    const marked = { ...route, responseEdits: fieldEdits({ set, add: [...add, cookie], remove }) };
    made.get(route)![position] = marked;
    return marked;
  };
}
