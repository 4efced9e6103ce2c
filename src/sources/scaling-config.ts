/** `scaling` and `pools.*.scaling` of `proxy.yaml`: what they may hold, and what they mean. */
import { type Static, Type } from 'typebox';
import {
  DEFAULT_POOL_SCALING,
  DEFAULT_SCALING,
  type PoolScaling,
  type ScalingDirection,
  type ScalingModel,
} from '../core/scaling/model.js';
import { Duration, parseDuration } from './duration.js';

const strict = { additionalProperties: false } as const;
/** A target of nothing would ask for capacity without end. */
const Part = Type.Number({ minimum: 0.01, maximum: 1 });

const direction = (least: number, most: number) =>
  Type.Object(
    {
      after: Type.Optional(Duration),
      step: Type.Optional(Type.Number({ minimum: least, maximum: most })),
      every: Type.Optional(Duration),
    },
    { ...strict, title: 'a map with the keys after, step and every' },
  );

export const ScalingFileSchema = Type.Object(
  {
    cpu: Type.Optional(Part),
    client_connections: Type.Optional(Part),
    tolerance: Type.Optional(Type.Number({ minimum: 0, maximum: 0.9 })),
    up: Type.Optional(direction(1.01, 100)),
    down: Type.Optional(direction(0, 0.99)),
    settle: Type.Optional(Duration),
    forecast: Type.Optional(Type.Union([Type.Literal('show'), Type.Literal('use')])),
    history: Type.Optional(Type.String({ minLength: 1, maxLength: 4096, title: 'a path' })),
  },
  {
    ...strict,
    title: 'a map with the keys cpu, client_connections, tolerance, up, down, settle, forecast and history',
  },
);

const PoolScalingSchema = Type.Object(
  {
    connections: Type.Optional(Part),
    requests: Type.Optional(Type.Number({ minimum: 0.001, maximum: 1_000_000_000 })),
    queue: Type.Optional(Type.Number({ minimum: 0.01, maximum: 1_000_000 })),
    latency: Type.Optional(Duration),
  },
  { ...strict, title: 'a map with the keys connections, requests, queue and latency' },
);

export const SCALING_POOL_KEYS = { scaling: Type.Optional(PoolScalingSchema) };

type Path = readonly (string | number)[];
type Report = (path: Path, message: string) => void;
type DirectionFile = Static<ReturnType<typeof direction>>;

const WINDOW_MS_MAX = 24 * 3_600_000;
const LATENCY_MS_MIN = 1;
const LATENCY_MS_MAX = 600_000;

/** Nothing where nothing is written. `pathOf`: where a path of the file leads. */
export function scalingOf(
  file: Static<typeof ScalingFileSchema> | undefined,
  at: Path,
  report: Report,
  pathOf: (path: string) => string,
): { readonly scaling?: ScalingModel } {
  if (file === undefined) return {};
  const { targets, behaviour } = DEFAULT_SCALING;
  const way = (of: DirectionFile = {}, key: 'up' | 'down'): ScalingDirection => ({
    afterMs: windowOf(of.after, behaviour[key].afterMs, [...at, key, 'after'], report),
    step: of.step ?? behaviour[key].step,
    everyMs: windowOf(of.every, behaviour[key].everyMs, [...at, key, 'every'], report),
  });
  return {
    scaling: {
      targets: {
        cpu: file.cpu ?? targets.cpu,
        clientConnections: file.client_connections ?? targets.clientConnections,
      },
      behaviour: {
        tolerance: file.tolerance ?? behaviour.tolerance,
        up: way(file.up, 'up'),
        down: way(file.down, 'down'),
        settleMs: windowOf(file.settle, behaviour.settleMs, [...at, 'settle'], report),
      },
      forecast: file.forecast ?? DEFAULT_SCALING.forecast,
      ...(file.history !== undefined && { history: pathOf(file.history) }),
    },
  };
}

export function poolScalingOf(
  file: Static<typeof PoolScalingSchema> | undefined,
  at: Path,
  report: Report,
): { readonly scaling?: PoolScaling } {
  if (file === undefined) return {};
  const { connections, queue } = DEFAULT_POOL_SCALING;
  const latencyMs = file.latency === undefined ? undefined : (parseDuration(file.latency) ?? 0);
  if (latencyMs !== undefined && (latencyMs < LATENCY_MS_MIN || latencyMs > LATENCY_MS_MAX)) {
    report([...at, 'latency'], `must be from 1ms to 10m, not ${file.latency}`);
  }
  return {
    scaling: {
      connections: file.connections ?? connections,
      queue: file.queue ?? queue,
      ...(file.requests !== undefined && { requests: file.requests }),
      ...(latencyMs !== undefined && { latencyMs }),
    },
  };
}

function windowOf(value: number | string | undefined, fallbackMs: number, at: Path, report: Report): number {
  if (value === undefined) return fallbackMs;
  const ms = parseDuration(value) ?? -1;
  if (ms < 0 || ms > WINDOW_MS_MAX) report(at, `must be from 0s to 24h, not ${value}`);
  return ms;
}
