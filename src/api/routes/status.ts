import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import type { ReporterDescription } from '../../control/report-book.js';
import { monitorName } from '../../core/zone/targets.js';
import type { ApiModules } from '../server.js';

const View = Type.Object({
  observer: Type.String(),
  view: Type.String(),
  detail: Type.String(),
  age_ms: Type.Optional(Type.Number()),
});

const Target = Type.Object({
  target: Type.String(),
  state: Type.String({ description: 'up or down' }),
  basis: Type.String({
    description: '`observers`, `held` (too few have a fresh view) or `damped` (kept down for flapping).',
  }),
  since: Type.String(),
  observers: Type.Array(View),
});

const Reporter = Type.Object({
  node: Type.String(),
  region: Type.Optional(Type.String()),
  state: Type.Optional(Type.String()),
  fresh: Type.Boolean(),
  age_ms: Type.Optional(Type.Number()),
});

const Status = Type.Object({
  node: Type.String(),
  region: Type.Optional(Type.String()),
  version: Type.String(),
  uptime_seconds: Type.Number(),
  listen: Type.Array(Type.String()),
  io: Type.String(),
  xdp: Type.Array(
    Type.Object({
      interface: Type.String(),
      queues: Type.Integer({ description: 'Receive queues that are read; 0 where it could not be taken.' }),
      problem: Type.Optional(Type.String()),
    }),
    { description: 'Network interfaces whose datagrams come by XDP, or should.' },
  ),
  workers: Type.Integer(),
  snapshot: Type.Object({ id: Type.Integer(), published: Type.String() }),
  problems: Type.Array(Type.String(), { description: 'Mistakes in the zone files on disk.' }),
  geo: Type.Object({
    sources: Type.Array(
      Type.Object({
        path: Type.String(),
        type: Type.String(),
        built: Type.String(),
        age_days: Type.Number(),
        attribution: Type.String(),
      }),
    ),
    problems: Type.Array(Type.String()),
  }),
  health: Type.Array(Target),
  nodes: Type.Array(Reporter, { description: 'Other DNS nodes whose reports count.' }),
  proxies: Type.Array(Reporter),
});

export const statusRoutes: FastifyPluginAsyncTypebox<ApiModules> = async (app, modules) => {
  const { control, node } = modules;
  const schema = {
    tags: ['node'],
    operationId: 'getStatus',
    summary: 'What this node serves, sees and complains about.',
    security: [{ token: [] }],
    response: { 200: Status, '4xx': Type.Ref('Problem') },
  };
  app.get('/v1/status', { schema, config: { role: 'read' } }, () => ({
    node: node.name,
    ...(node.region !== undefined && { region: node.region }),
    version: node.version,
    uptime_seconds: Math.round((Date.now() - node.startedMs) / 1000),
    listen: [...node.listen],
    io: node.tier,
    xdp: node.xdp().map(({ interface: name, queues, problem }) => ({
      interface: name,
      queues,
      ...(problem && { problem }),
    })),
    workers: node.workers,
    snapshot: { id: control.snapshot.id, published: new Date(control.publishedMs).toISOString() },
    problems: [...control.problems],
    geo: control.geoStatus(),
    health: healthOf(control),
    nodes: control.health.peers.map(describeReporter),
    proxies: control.health.reporters.map(describeReporter),
  }));
};

function healthOf({ health }: ApiModules['control']) {
  return [...health.targets.values()].flatMap((target) => {
    const { key, host } = target;
    const name = monitorName(target);
    const description = health.describe(key);
    if (!description) return [];
    const { verdict, sinceMs, observers } = description;
    return [
      {
        target: name === undefined ? host : `${host} (${name})`,
        state: verdict.state,
        basis: verdict.basis,
        since: new Date(sinceMs).toISOString(),
        observers: observers.map(({ observer, view, detail, ageMs }) => ({
          observer,
          view,
          detail,
          ...(ageMs !== undefined && { age_ms: ageMs }),
        })),
      },
    ];
  });
}

function describeReporter({ node, region, state, fresh, ageMs }: ReporterDescription) {
  return {
    node,
    fresh,
    ...(region !== undefined && { region }),
    ...(state !== undefined && { state }),
    ...(ageMs !== undefined && { age_ms: ageMs }),
  };
}
