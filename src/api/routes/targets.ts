import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import type { HealthWatch } from '../../control/health-watch.js';
import type { ReporterDescription } from '../../control/report-book.js';
import { SHARE_FULL } from '../../core/health/word.js';
import { type HealthTarget, monitorName } from '../../core/zone/targets.js';
import type { ApiModules } from '../server.js';

const LIMIT_DEFAULT = 1_000;
const LIMIT_MAX = 10_000;

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
      '`observers`; `held`: too few have a fresh view, the last verdict stays; `damped`: well, but kept down for flapping.',
  }),
  forced: Type.Boolean({ description: 'An operator fixed the state.' }),
  since: Type.String(),
  up: Type.Integer({ description: 'Observers that say up, …' }),
  known: Type.Integer({ description: '… of those with a fresh view.' }),
  quorum: Type.String(),
  share: Type.Number({
    description: 'Part of its weight that the target takes: below 1 while it comes back.',
  }),
  held_down_until: Type.Optional(Type.String()),
  last_check: Type.Optional(Type.String()),
  next_check: Type.Optional(Type.String({ description: 'The next probe of this node begins no later.' })),
  last_error: Type.Optional(Type.Object({ at: Type.String(), detail: Type.String() })),
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
  total: Type.Integer({ description: 'Targets that fit the question, before `limit`.' }),
  targets: Type.Array(Target),
  pools: Type.Array(Pool, { description: 'Pools with `shed`.' }),
  nodes: Type.Array(Reporter, { description: 'Other DNS nodes whose reports count.' }),
  proxies: Type.Array(Reporter),
});

const Question = Type.Object(
  {
    state: Type.Optional(Type.Enum(['up', 'down', 'held', 'damped'])),
    target: Type.Optional(Type.String({ maxLength: 255, description: 'An address or a host name.' })),
    offset: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000 })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: LIMIT_MAX })),
  },
  { additionalProperties: false },
);

export const targetRoutes: FastifyPluginAsyncTypebox<ApiModules> = async (app, { control }) => {
  const { health } = control;
  const schema = {
    tags: ['health'],
    summary: 'Every health target: verdict, since when, and what each observer sees.',
    security: [{ token: [] }],
    querystring: Question,
    response: { 200: Health, '4xx': Type.Ref('Problem') },
  };
  app.get('/v1/health', { schema, config: { role: 'read' } }, ({ query }) => {
    const fitting = [...health.targets.values()].filter((target) => fits(health, target, query));
    const from = query.offset ?? 0;
    return {
      total: fitting.length,
      targets: fitting
        .slice(from, from + (query.limit ?? LIMIT_DEFAULT))
        .flatMap((target) => describeTarget(health, target) ?? []),
      pools: health.shedding.map((pool) => ({ ...pool })),
      nodes: health.peers.map(describeReporter),
      proxies: health.reporters.map(describeReporter),
    };
  });
};

function fits(
  health: HealthWatch,
  { key, host }: HealthTarget,
  { state, target }: { readonly state?: string; readonly target?: string },
): boolean {
  const verdict = health.verdictOf(key);
  if (!verdict || (target !== undefined && target !== host)) return false;
  return state === undefined || state === verdict.state || state === verdict.basis;
}

function describeTarget(health: HealthWatch, target: HealthTarget) {
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
    observers: observers.map(({ observer, region, view, ageMs, detail }) => ({
      observer,
      view,
      detail,
      ...(region !== undefined && { region }),
      ...(ageMs !== undefined && { age_ms: Math.round(ageMs) }),
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
