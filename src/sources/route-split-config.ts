/** Routes of `proxy.yaml` with several pools, canaries and mirrors: what they mean, and what is wrong with them. */
import type { PoolModel, ProxyModel } from '../core/balance/model.js';
import { MIRROR_DEFAULT, type MirrorModel } from '../core/http/mirror.js';
import type { CanaryModel, SplitArm, SplitModel, StickModel } from '../core/http/split.js';
import { ANALYSIS_DEFAULT, type RolloutPlan, stepsMistake } from '../core/rollout/plan.js';
import { parseDuration } from './duration.js';
import type { RouteChecks } from './route-config.js';
import type { Report } from './route-match-config.js';
import type { RouteFile } from './route-schema.js';

type Path = readonly (string | number)[];

const STEPS_DEFAULT = [5, 25, 50, 100].map((percent) => ({ percent, hold: '10m' }));
const LIFETIME_SECONDS_DEFAULT = 86_400;
const LIFETIME_SECONDS_MAX = 400 * 86_400;

/** What a route says of several pools and of copies; `at` is its path. */
export function splitKeysOf(
  file: RouteFile,
  at: Path,
  checks: RouteChecks,
): { readonly split?: SplitModel; readonly mirror?: MirrorModel } {
  const split = splitOf(file, at, checks);
  const mirror = mirrorOf(file, at, checks);
  return { ...(split && { split }), ...(mirror && { mirror }) };
}

/** The pools that a route names, each with its path. */
export function namedPools(file: RouteFile, at: Path): readonly (readonly [pool: string, at: Path])[] {
  const single = (['canary', 'mirror'] as const).flatMap((key) => {
    const pool = file[key]?.pool;
    return pool === undefined ? [] : [[pool, [...at, key, 'pool']] as const];
  });
  return [
    ...(file.pool === undefined ? [] : [[file.pool, [...at, 'pool']] as const]),
    ...Object.keys(file.pools ?? {}).map((pool) => [pool, [...at, 'pools', pool]] as const),
    ...single,
  ];
}

/** Routes of one name share their split, so they have to say the same of it. */
export function checkSplitNames(
  listeners: readonly { readonly routes?: readonly RouteFile[] | undefined }[],
  report: Report,
): void {
  const known = new Map<string, string>();
  listeners.forEach(({ routes = [] }, i) => {
    routes.forEach(({ name, pool, pools, stick, canary }, j) => {
      if (name === undefined || (pools === undefined && canary === undefined)) return;
      const said = JSON.stringify([pool, Object.entries(pools ?? {}), stick, canary]);
      if ((known.get(name) ?? said) !== said) {
        const at = ['listeners', i, 'routes', j, 'name'];
        report(
          at,
          `another route "${name}" above has other pools, stick or canary: routes of one name share them`,
        );
      }
      known.set(name, said);
    });
  });
}

/** `rollouts`; `locate` makes a path absolute. */
export function rolloutFilesOf(
  files: { readonly state?: string; readonly secrets?: string } | undefined,
  locate: (path: string) => string,
): Pick<ProxyModel, 'rollouts'> {
  if (files?.state === undefined && files?.secrets === undefined) return {};
  const { state, secrets } = files;
  return {
    rollouts: {
      ...(state !== undefined && { stateFile: locate(state) }),
      ...(secrets !== undefined && { secretsFile: locate(secrets) }),
    },
  };
}

/** Copies are sent in HTTP/1.1. */
export function checkMirrorPools(
  listeners: readonly { readonly routes?: readonly RouteFile[] | undefined }[],
  pools: readonly PoolModel[],
  report: Report,
): void {
  const speaking = new Map(pools.map(({ name, protocol = 'h1' }) => [name, protocol]));
  listeners.forEach(({ routes = [] }, i) => {
    routes.forEach(({ mirror, pool = '' }, j) => {
      const protocol = mirror === undefined ? 'h1' : (speaking.get(mirror.pool) ?? 'h1');
      // What goes to a pool of HTTP/2 came by HTTP/2, and so do its copies.
      if (protocol === 'h1' || (speaking.get(pool) ?? 'h1') !== 'h1') return;
      const at = ['listeners', i, 'routes', j, 'mirror', 'pool'];
      report(
        at,
        `pool "${mirror?.pool}" has protocol ${protocol}: copies of requests for a pool of HTTP/1.1 are sent in that`,
      );
    });
  });
}

/** Steps, analysis and what happens on a failure, with their defaults. */
export function rolloutPlanOf(
  {
    steps = STEPS_DEFAULT,
    analysis,
    on_failure = 'rollback',
  }: Pick<NonNullable<RouteFile['canary']>, 'steps' | 'analysis' | 'on_failure'>,
  at: Path,
  report: Report,
): RolloutPlan {
  const read = steps.map(({ percent, hold }) => ({ percent, seconds: (parseDuration(hold) ?? 0) / 1000 }));
  const mistake = stepsMistake(read);
  if (mistake !== undefined) report([...at, 'steps'], mistake);
  return { steps: read, analysis: { ...ANALYSIS_DEFAULT, ...analysis }, on_failure };
}

function splitOf(file: RouteFile, at: Path, checks: RouteChecks): SplitModel | undefined {
  const { report } = checks;
  const { name, pool, pools, canary } = file;
  if (pools === undefined && canary === undefined) {
    if (file.stick !== undefined) report([...at, 'stick'], 'stick is only for routes with pools or canary');
    return undefined;
  }
  const stick = stickOf(file, at, report);
  if (name === undefined) {
    report(
      [...at, pools === undefined ? 'canary' : 'pools'],
      'a route with several pools needs the key name',
    );
    return undefined;
  }
  const arms = pools === undefined ? canaryArms(file, at, checks) : armsOf(pools, at, checks);
  if (pools !== undefined && canary !== undefined) {
    report(
      [...at, 'canary'],
      'pools and canary exclude each other: write pool for where all requests go now',
    );
  }
  if (canary === undefined || pool === undefined) return { name, arms, stick };
  const plan = rolloutPlanOf(canary, [...at, 'canary'], report);
  const model: CanaryModel = { ...plan, start: canary.start ?? 'manual' };
  return { name, arms, stick, canary: model };
}

function armsOf(pools: NonNullable<RouteFile['pools']>, at: Path, checks: RouteChecks): readonly SplitArm[] {
  const arms = Object.entries(pools).map(([pool, weight]) => ({ pool, weight }));
  for (const { pool } of arms) checks.knownPool(pool, [...at, 'pools', pool]);
  if (arms.every(({ weight }) => weight === 0))
    checks.report([...at, 'pools'], 'one weight has to be above 0');
  return arms;
}

function canaryArms({ pool = '', canary }: RouteFile, at: Path, checks: RouteChecks): readonly SplitArm[] {
  const to = canary?.pool ?? '';
  const path = [...at, 'canary', 'pool'];
  checks.knownPool(to, path);
  if (to === pool) checks.report(path, `is the pool "${pool}" that the route has already`);
  return [
    { pool, weight: 1 },
    { pool: to, weight: 0 },
  ];
}

function stickOf({ stick, name: route = '' }: RouteFile, at: Path, report: Report): StickModel {
  if (stick === undefined) return { by: 'draw' };
  const { by, name, lifetime } = stick;
  const inside = [...at, 'stick'];
  if (name !== undefined && by !== 'cookie' && by !== 'header') {
    report([...inside, 'name'], 'name is only for by: cookie and by: header');
  }
  if (lifetime !== undefined && by !== 'cookie')
    report([...inside, 'lifetime'], 'lifetime is only for by: cookie');
  switch (by) {
    case 'draw':
      return { by };
    case 'address':
      return { by: 'hash', source: { key: 'address' } };
    case 'header':
      if (name === undefined) report(inside, 'by: header needs the key name');
      return { by: 'hash', source: { key: 'header', name: (name ?? '').toLowerCase() } };
    case 'cookie': {
      const seconds =
        lifetime === undefined ? LIFETIME_SECONDS_DEFAULT : Math.floor((parseDuration(lifetime) ?? 0) / 1000);
      if (seconds < 1 || seconds > LIFETIME_SECONDS_MAX) {
        report([...inside, 'lifetime'], `must be from 1s to 400d, not ${lifetime}`);
      }
      return { by, cookie: name ?? `meridian-${route}`, seconds };
    }
    default:
      throw new Error(`unexpected ${by satisfies never}`);
  }
}

function mirrorOf(
  { mirror, pool, pools }: RouteFile,
  at: Path,
  checks: RouteChecks,
): MirrorModel | undefined {
  if (mirror === undefined) return undefined;
  const path = [...at, 'mirror', 'pool'];
  checks.knownPool(mirror.pool, path);
  if (mirror.pool === pool || Object.hasOwn(pools ?? {}, mirror.pool)) {
    checks.report(path, `is the pool "${mirror.pool}" that gets the requests themselves`);
  }
  return {
    pool: mirror.pool,
    sample: mirror.sample ?? MIRROR_DEFAULT.sample,
    maxInFlight: mirror.max_in_flight ?? MIRROR_DEFAULT.maxInFlight,
    maxBody: mirror.max_body ?? MIRROR_DEFAULT.maxBody,
  };
}
