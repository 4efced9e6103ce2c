import { type FieldEdits, fieldEdits } from '../../core/http/field-edits.js';
import { type FixedReply, fixedReply } from '../../core/http/fixed-reply.js';
import { type RedirectFacts, Redirector } from '../../core/http/redirect.js';
import { type RequestRewriter, requestRewriter } from '../../core/http/request-rewrite.js';
import type { PoolRoute, RouteModel } from '../../core/http/route.js';
import { Router, type RouterEntry } from '../../core/http/router.js';
import { type RetryPolicy, retryPolicy } from '../../core/limit/retry.js';
import type { RequestGuard } from '../limit/request-guard.js';
import { compilePattern } from '../pattern.js';
import { Flights } from './flights.js';

/** What a route that leads to a pool does on the way. */
export interface RouteChanges {
  /** Null if each request goes to an endpoint by itself. */
  readonly flights: Flights | null;
  /** Null if requests pass as they are. */
  readonly rewriter: RequestRewriter | null;
  /** For `writeResponseHead`; null if responses pass as they are. */
  readonly responseEdits: FieldEdits | null;
  /** How long an endpoint may neither answer nor move a byte. */
  readonly responseMs: number;
  /** Whether the listener's compression applies. */
  readonly compresses: boolean;
  /** Null: none; undefined: those of the pool. */
  readonly retries: RetryPolicy | null | undefined;
}

/** Where a route leads; exactly one of the three is there. */
export interface RouteTarget<F> {
  readonly forward: F | null;
  readonly redirect: Redirector | null;
  readonly reply: FixedReply | null;
  /** Which requests may pass; null for all. */
  readonly guard: RequestGuard | null;
}

/**
 * The routes of one listener, made ready for requests. `forward` makes what the request path needs of a route to a
 * pool; null leaves the route out.
 */
export function routeTable<F>(
  routes: readonly RouteModel[],
  defaults: { readonly responseMs: number },
  forward: (pool: string, changes: RouteChanges, route: PoolRoute) => F | null,
  guardOf: (route: RouteModel) => RequestGuard | null = () => null,
): Router<RouteTarget<F>> {
  const entries = routes.flatMap((route): RouterEntry<RouteTarget<F>>[] => {
    const where = targetOf(route, defaults, forward);
    const to = where === null ? null : { ...where, guard: guardOf(route) };
    return to === null ? [] : [{ match: route.match, priority: route.priority ?? 0, to }];
  });
  return new Router(entries, compilePattern);
}

/** The reply of a route that leads to no pool; null if the request can't be redirected: that is a 400. */
export function ownReply(
  target: RouteTarget<unknown>,
  facts: RedirectFacts,
  scheme: 'http' | 'https',
): FixedReply | null {
  return target.redirect === null ? target.reply : target.redirect.reply(facts, scheme);
}

function targetOf<F>(
  route: RouteModel,
  defaults: { readonly responseMs: number },
  forward: (pool: string, changes: RouteChanges, route: PoolRoute) => F | null,
): Omit<RouteTarget<F>, 'guard'> | null {
  if ('redirect' in route) {
    return { forward: null, redirect: new Redirector(route.redirect, compilePattern), reply: null };
  }
  if ('respond' in route) return { forward: null, redirect: null, reply: fixedReply(route.respond) };
  const to = forward(route.pool, changesOf(route, defaults.responseMs), route);
  return to === null ? null : { forward: to, redirect: null, reply: null };
}

function changesOf(
  { rewrite, response, responseMs, retries, compression, coalesce }: PoolRoute,
  defaultMs: number,
): RouteChanges {
  return {
    flights: coalesce === undefined ? null : new Flights(coalesce),
    rewriter: rewrite === undefined ? null : requestRewriter(rewrite, compilePattern),
    responseEdits: response === undefined ? null : fieldEdits(response),
    responseMs: responseMs ?? defaultMs,
    compresses: compression ?? true,
    retries: retries === undefined ? undefined : retryPolicy(retries),
  };
}
