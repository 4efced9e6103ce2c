import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import type { ControlPlane } from '../../control/control-plane.js';
import type { HealthWatch } from '../../control/health-watch.js';
import type { ReporterDescription } from '../../control/report-book.js';
import { causeFacts } from '../../control/steering-facts.js';
import { describeEffects, ENDPOINTS_SHOWN_MAX as STEERED_MAX } from '../../control/steering-view.js';
import { SHARE_FULL } from '../../core/health/word.js';
import type { SteeredEndpoint } from '../../core/steering/marks.js';
import type { ForcedEndpoint } from '../../core/zone/forced-endpoints.js';
import { type HealthTarget, monitorName } from '../../core/zone/targets.js';
import { linkNext, PAGE_ANSWER, PAGE_QUERY, pageOf } from '../page.js';
import { sendProblem } from '../problem.js';
import type { ApiModules } from '../server.js';
import { DialledPoolSchema, SteeredEndpointSchema } from '../steering-view-schema.js';

const Observer = Type.Object({
  observer: Type.String({ description: '`probe`, `dns:NODE` or `proxy:NODE/SERVICE`.' }),
  region: Type.Optional(Type.String()),
  view: Type.String({ description: 'up, down or unknown' }),
  age_ms: Type.Optional(Type.Number()),
  detail: Type.String(),
});

const Target = Type.Object({
  target: Type.String(),
  monitor: Type.Optional(Type.String()),
  state: Type.String({ description: 'up or down' }),
  basis: Type.String({
    description:
      '`forced`: see there; `observers`; `held`: too few have a fresh view, the last verdict stays; `damped`: well, but kept down for flapping.',
  }),
  forced: Type.Boolean({
    description: 'An operator fixed the state: nobody observes it, and nobody knows since when.',
  }),
  pool: Type.Optional(Type.String({ description: 'Where the state is fixed.' })),
  since: Type.Optional(Type.String()),
  up: Type.Integer({ description: 'Observers that say up, …' }),
  known: Type.Integer({ description: '… of those with a fresh view.' }),
  quorum: Type.Optional(Type.String()),
  share: Type.Number({
    description: 'Part of its weight that the target takes: below 1 while it comes back.',
  }),
  held_down_until: Type.Optional(Type.String()),
  last_check: Type.Optional(Type.String()),
  next_check: Type.Optional(Type.String({ description: 'The next probe of this node begins no later.' })),
  last_error: Type.Optional(Type.Object({ at: Type.String(), detail: Type.String() })),
  steered: Type.Optional(
    Type.Array(
      Type.Object({
        zone: Type.String(),
        pool: Type.String(),
        state: Type.String({ description: 'up, down or drain' }),
        text: Type.String({ description: 'Who, why, and until when.' }),
      }),
      { description: 'Pools in which an operator set what counts in place of `state`.' },
    ),
  ),
  observers: Type.Array(Observer),
});

const Reporter = Type.Object({
  node: Type.String(),
  region: Type.Optional(Type.String()),
  state: Type.Optional(Type.String()),
  fresh: Type.Boolean(),
  age_ms: Type.Optional(Type.Number()),
});

const Pool = Type.Object({
  pool: Type.String(),
  shedding: Type.Boolean(),
  share: Type.Number({ description: 'Part of the answers that goes to the next pool.' }),
  utilisation: Type.Optional(Type.Number()),
  limiting: Type.Optional(Type.String()),
});

const Health = Type.Object({
  ...PAGE_ANSWER,
  targets: Type.Array(Target),
  pools: Type.Array(Pool, { description: 'Pools with `shed`.' }),
  nodes: Type.Array(Reporter, { description: 'Other DNS nodes whose reports count.' }),
  proxies: Type.Array(Reporter),
  steered: Type.Array(SteeredEndpointSchema, {
    description: 'Endpoints that an operator forces or drains, watched or not; at most 1000.',
  }),
  dialled: Type.Array(DialledPoolSchema, {
    description: 'Pools that keep part of their answers; at most 1000.',
  }),
});

const Question = Type.Object(
  {
    state: Type.Optional(Type.Enum(['up', 'down', 'held', 'damped', 'forced'])),
    target: Type.Optional(Type.String({ maxLength: 255, description: 'An address or a host name.' })),
    ...PAGE_QUERY,
  },
  { additionalProperties: false },
);

export const targetRoutes: FastifyPluginAsyncTypebox<ApiModules> = async (app, { control }) => {
  const { health } = control;
  const schema = {
    tags: ['health'],
    operationId: 'listHealth',
    summary: 'Every health target: verdict, since when, and what each observer sees.',
    security: [{ token: [] }],
    querystring: Question,
    response: { 200: Health, '4xx': Type.Ref('Problem') },
  };
  app.get('/v1/health', { schema, config: { role: 'read' } }, (request, reply) => {
    const { query } = request;
    const watched = [...health.targets.values()].filter((target) => fits(health, target, query));
    const forced = control.forced.filter((endpoint) => fitsForced(endpoint, query));
    const page = pageOf([...watched, ...forced], placeOf, query);
    if (!page) return sendProblem(reply, 400, 'invalid_cursor', 'cursor: is not of this list');
    const { items, total, next } = page;
    linkNext(request, reply, next);
    const { endpoints, pools } = control.steering
      ? describeEffects(control.steering, health.table)
      : { endpoints: [], pools: [] };
    const bySlot = steeredBySlot(control);
    return {
      total,
      ...(next !== undefined && { next }),
      targets: items.flatMap((item) =>
        'key' in item ? (describeTarget(health, item, bySlot) ?? []) : describeForced(item),
      ),
      pools: health.shedding.map((pool) => ({ ...pool })),
      nodes: health.peers.map(describeReporter),
      proxies: health.reporters.map(describeReporter),
      steered: endpoints,
      dialled: pools,
    };
  });
};

function placeOf(item: HealthTarget | ForcedEndpoint): string {
  return 'key' in item ? item.key : `${item.pool} ${item.host}`;
}

function fits(
  health: HealthWatch,
  { key, host }: HealthTarget,
  { state, target }: { readonly state?: string; readonly target?: string },
): boolean {
  const verdict = health.verdictOf(key);
  if (!verdict || (target !== undefined && target !== host)) return false;
  return state === undefined || state === verdict.state || state === verdict.basis;
}

function fitsForced(
  { host, state }: ForcedEndpoint,
  wanted: { readonly state?: string; readonly target?: string },
): boolean {
  if (wanted.target !== undefined && wanted.target !== host) return false;
  return wanted.state === undefined || wanted.state === state || wanted.state === 'forced';
}

function describeForced({ host, state, pool, monitor }: ForcedEndpoint) {
  return {
    target: host,
    ...(monitor !== undefined && { monitor }),
    state,
    basis: 'forced',
    forced: true,
    pool,
    up: 0,
    known: 0,
    share: 1,
    observers: [],
  };
}

function describeTarget(
  health: HealthWatch,
  target: HealthTarget,
  bySlot: ReadonlyMap<number, readonly SteeredEndpoint[]>,
) {
  const { key, host, monitor } = target;
  const name = monitorName(target);
  const found = health.describe(key);
  if (!found) return undefined;
  const { verdict, sinceMs, heldDownUntilMs, quorum, observers } = found;
  const probed = health.lastProbe(key);
  return {
    target: host,
    ...(name !== undefined && { monitor: name }),
    state: verdict.state,
    basis: verdict.basis,
    forced: false,
    since: iso(sinceMs),
    up: verdict.up,
    known: verdict.known,
    quorum: String(quorum),
    share: health.shareOf(key) / SHARE_FULL,
    ...(heldDownUntilMs !== undefined && { held_down_until: iso(heldDownUntilMs) }),
    ...(probed && { last_check: iso(probed.atMs) }),
    ...(probed && monitor && { next_check: iso(probed.startMs + monitor.intervalMs) }),
    ...(probed?.error && { last_error: { at: iso(probed.error.atMs), detail: probed.error.detail } }),
    ...steeredFacts(bySlot.get(health.slotOf(key))),
    observers: observers.map(({ observer, region, view, ageMs, detail }) => ({
      observer,
      view,
      detail,
      ...(region !== undefined && { region }),
      ...(ageMs !== undefined && { age_ms: Math.round(ageMs) }),
    })),
  };
}

function steeredBySlot({ steering, health }: ControlPlane): ReadonlyMap<number, readonly SteeredEndpoint[]> {
  const bySlot = new Map<number, SteeredEndpoint[]>();
  for (const steered of steering?.marks.endpoints(health.table, STEERED_MAX) ?? []) {
    const others = bySlot.get(steered.slot);
    if (others) others.push(steered);
    else bySlot.set(steered.slot, [steered]);
  }
  return bySlot;
}

/** Where this target counts otherwise than its verdict says. */
function steeredFacts(steered: readonly SteeredEndpoint[] = []) {
  if (steered.length === 0) return {};
  return {
    steered: steered.map(({ place, state, causes }) => ({
      zone: place.zone,
      pool: place.pool,
      state,
      text: causes.map(({ cause }) => causeFacts(cause).text).join('; '),
    })),
  };
}

function describeReporter({ node, region, state, fresh, ageMs }: ReporterDescription) {
  return {
    node,
    fresh,
    ...(region !== undefined && { region }),
    ...(state !== undefined && { state }),
    ...(ageMs !== undefined && { age_ms: Math.round(ageMs) }),
  };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
