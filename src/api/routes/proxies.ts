import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { type Static, Type } from 'typebox';
import type { ProxyReport } from '../../control/report-book.js';
import type { Report, ServiceReport } from '../../core/health/report.js';
import { type ServiceChange, serviceChange } from '../../core/health/report-change.js';
import type { ScalingHint } from '../../core/health/report-facts.js';
import { linkNext, PAGE_ANSWER, PAGE_QUERY, pageOf } from '../page.js';
import { sendProblem } from '../problem.js';
import type { ApiModules } from '../server.js';

const Rates = Type.Object(
  {
    seconds: Type.Number({ description: 'The time over which was counted.' }),
    requests: Type.Number(),
    ok: Type.Number(),
    errors: Type.Number({ description: 'Answered by an endpoint with a status of 500 or more.' }),
    connect_failures: Type.Number(),
    timeouts: Type.Number(),
    retried: Type.Number(),
    shed: Type.Number(),
  },
  { description: 'Of each second.' },
);

const Service = Type.Object({
  service: Type.String(),
  endpoints: Type.Integer(),
  healthy: Type.Integer(),
  capacity: Type.Optional(Type.Number()),
  utilisation: Type.Optional(Type.Number()),
  limiting: Type.Optional(Type.String()),
  ejected: Type.Optional(Type.Integer()),
  draining: Type.Optional(Type.Integer()),
  healthy_weight: Type.Optional(Type.Number()),
  weight: Type.Optional(Type.Number()),
  panic: Type.Optional(Type.Boolean()),
  in_flight: Type.Optional(Type.Integer()),
  queued: Type.Optional(Type.Integer()),
  rates: Type.Optional(Rates),
  latency_ms: Type.Optional(Type.Object({ p50: Type.Number(), p90: Type.Number(), p99: Type.Number() })),
});

const ScalingSubject = Type.Object({
  subject: Type.String({ description: 'A pool, or (proxy).' }),
  action: Type.String({ description: 'up, hold or down' }),
  current: Type.Number(),
  desired: Type.Number(),
  reason: Type.String(),
  limiting: Type.Optional(Type.String()),
  usage: Type.Optional(Type.Number({ description: 'As a multiple of the target.' })),
  forecast: Type.Optional(Type.Number({ description: 'Wanted in a quarter of an hour.' })),
  forecast_error: Type.Optional(Type.Number()),
});

const ProxySchema = Type.Object({
  node: Type.String(),
  region: Type.Optional(Type.String()),
  state: Type.Optional(Type.String({ description: 'up, degraded, draining or down' })),
  reason: Type.Optional(Type.String()),
  fresh: Type.Boolean(),
  age_ms: Type.Optional(Type.Number()),
  started: Type.Optional(Type.String()),
  version: Type.Optional(Type.String()),
  cpu: Type.Optional(Type.Number()),
  loop_lag_ms: Type.Optional(Type.Number()),
  memory_bytes: Type.Optional(Type.Integer()),
  connections: Type.Optional(Type.Object({ open: Type.Integer(), limit: Type.Integer() })),
  certificate_expires: Type.Optional(Type.String()),
  configuration: Type.Optional(Type.String({ description: 'Hash: equal where it is the same.' })),
  scaling: Type.Optional(
    Type.Object({
      action: Type.String({ description: 'up, hold or down' }),
      factor: Type.Number({ description: 'Wanted capacity, as a multiple of what is there.' }),
      service: Type.String({ description: 'The pool that is used most, or (proxy).' }),
      limiting: Type.String(),
      subjects: Type.Optional(Type.Array(ScalingSubject)),
    }),
  ),
  services: Type.Array(Service),
});

/** What each proxy reported last, and what its pools did in the last seconds. */
export const proxyRoutes: FastifyPluginAsyncTypebox<ApiModules> = async (app, { control }) => {
  const schema = {
    tags: ['health'],
    operationId: 'listProxies',
    summary: 'The proxies that endpoints name: state, load, pools, rates and latencies by their reports.',
    security: [{ token: [] }],
    querystring: Question,
    response: {
      200: Type.Object({ proxies: Type.Array(ProxySchema), ...PAGE_ANSWER }),
      '4xx': Type.Ref('Problem'),
    },
  };
  app.get('/v1/proxies', { schema, config: { role: 'read' } }, (request, reply) => {
    const { region, state, fresh } = request.query;
    const fitting = control.health.proxyReports.filter(
      (proxy) =>
        (region === undefined || proxy.report?.region === region) &&
        (state === undefined || proxy.report?.state === state) &&
        (fresh ?? proxy.fresh) === proxy.fresh,
    );
    const page = pageOf(fitting, ({ node }) => node, request.query);
    if (!page) return sendProblem(reply, 400, 'invalid_cursor', 'cursor: is not of this list');
    const { items, total, next } = page;
    linkNext(request, reply, next);
    return { proxies: items.map(describe), total, ...(next !== undefined && { next }) };
  });
};

const Question = Type.Object(
  {
    region: Type.Optional(Type.String({ maxLength: 63, examples: ['eu-west'] })),
    state: Type.Optional(Type.Enum(['up', 'degraded', 'draining', 'down'])),
    fresh: Type.Optional(Type.Boolean({ description: 'Whether its last report is believed.' })),
    ...PAGE_QUERY,
  },
  { additionalProperties: false },
);

function describe({ node, fresh, ageMs, report, base }: ProxyReport): Static<typeof ProxySchema> {
  if (!report) return { node, fresh, services: [] };
  return {
    node,
    region: report.region,
    state: report.state,
    ...(report.reason !== undefined && { reason: report.reason }),
    fresh,
    ...(ageMs !== undefined && { age_ms: Math.round(ageMs) }),
    started: isoTime(report.epoch),
    ...factsOf(report),
    ...(report.scaling && { scaling: describeScaling(report.scaling) }),
    services: describeServices(report, base),
  };
}

function describeScaling({ subjects, ...hint }: ScalingHint) {
  if (subjects === undefined) return hint;
  const described = subjects.map(({ forecastError, ...subject }) => ({
    ...subject,
    ...(forecastError !== undefined && { forecast_error: forecastError }),
  }));
  return { ...hint, subjects: described };
}

function describeServices({ services, sent }: Report, base: Report | undefined): Static<typeof Service>[] {
  const before = new Map(base?.services.map((service) => [service.service, service]));
  const elapsedMs = sent - (base?.sent ?? sent);
  return services.map((service) =>
    describeService(service, serviceChange(service, before.get(service.service), elapsedMs)),
  );
}

function factsOf({ proxy }: Report) {
  if (!proxy) return {};
  const { version, cpu, loopLagMs, memoryBytes, connections, certificateExpires, configuration } = proxy;
  return {
    version,
    cpu,
    loop_lag_ms: loopLagMs,
    memory_bytes: memoryBytes,
    connections: { ...connections },
    ...(certificateExpires !== undefined && { certificate_expires: isoTime(certificateExpires) }),
    configuration,
  };
}

function describeService(service: ServiceReport, change: ServiceChange | undefined): Static<typeof Service> {
  const { pool, load } = service;
  return {
    service: service.service,
    endpoints: service.endpoints,
    healthy: service.healthy,
    ...(load && { capacity: load.capacity, utilisation: load.utilisation, limiting: load.limiting }),
    ...(pool && {
      ejected: pool.ejected,
      draining: pool.draining,
      healthy_weight: pool.healthyWeight,
      weight: pool.weight,
      panic: pool.panic,
      in_flight: pool.inFlight,
      queued: pool.queued,
    }),
    ...(change && { rates: ratesOf(change) }),
    ...(change?.latency && { latency_ms: mapped(change.latency) }),
  };
}

function ratesOf({ seconds, counts }: ServiceChange): Static<typeof Rates> {
  const rate = (count: number) => round(count / seconds);
  return {
    seconds: round(seconds),
    requests: rate(counts.issued),
    ok: rate(counts.ok),
    errors: rate(counts.errors),
    connect_failures: rate(counts.connectFailures),
    timeouts: rate(counts.timeouts),
    retried: rate(counts.retried),
    shed: rate(counts.shed),
  };
}

function mapped({ p50, p90, p99 }: NonNullable<ServiceChange['latency']>) {
  return { p50: round(p50), p90: round(p90), p99: round(p99) };
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}

/** Whoever reports may name a time that no calendar has. */
const TIME_MAX_MS = 8.64e15;

function isoTime(ms: number): string {
  return new Date(Math.min(ms, TIME_MAX_MS)).toISOString();
}
