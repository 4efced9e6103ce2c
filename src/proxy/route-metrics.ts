import { AS_CONFIGURED, SPLIT_POSITIONS } from '../core/http/split.js';
import type { MirrorTotals, SplitTotals } from './route-book.js';
import type { RolloutView } from './route-rollouts.js';

export interface RouteMetricSources {
  readonly routes: {
    splitTotals(): readonly SplitTotals[];
    mirrorTotals(): readonly MirrorTotals[];
  };
  readonly rollouts: {
    list(): readonly RolloutView[];
    /** By `route\nevent`. */
    readonly steps: ReadonlyMap<string, number>;
  };
}

type Rows = readonly (readonly [labels: Readonly<Record<string, string>>, value: number])[];
type Register = (name: string, help: string, labels: readonly string[], rows: () => Rows) => void;

/** Metrics of routes with several pools, of their rollouts, and of copies; names begin with `meridian_proxy_`. */
export function routeMetrics(
  { counter, gauge }: { readonly counter: Register; readonly gauge: Register },
  sources: RouteMetricSources | undefined,
): void {
  const splits = () => sources?.routes.splitTotals() ?? [];
  const mirrors = () => sources?.routes.mirrorTotals() ?? [];
  const rollouts = () => sources?.rollouts.list() ?? [];
  gauge('rollout_share', 'Part of the clients that the new pool of a route gets', ['route'], () =>
    splits()
      .filter(({ share }) => share !== AS_CONFIGURED)
      .map(({ route, share }) => [{ route }, share / SPLIT_POSITIONS]),
  );
  gauge('rollout_state', '1 for the state that the rollout of a route is in', ['route', 'state'], () =>
    rollouts().map(({ route, state, waiting }) => [
      { route, state: state === 'running' && waiting ? 'waiting_for_volume' : state },
      1,
    ]),
  );
  counter('rollout_events_total', 'Steps of rollouts, by what happened', ['route', 'event'], () =>
    [...(sources?.rollouts.steps ?? [])].map(([key, count]) => {
      const [route = '', event = ''] = key.split('\n');
      return [{ route, event }, count];
    }),
  );
  counter(
    'split_diverted_total',
    'Requests that went to another pool of their route, because no endpoint of theirs was up',
    ['route'],
    () => splits().map(({ route, diverted }) => [{ route }, diverted]),
  );
  counter('mirror_sent_total', 'Copies of requests that were sent to the pool', ['pool'], () =>
    mirrors().map(({ pool, sent }) => [{ pool }, sent]),
  );
  counter(
    'mirror_skipped_total',
    'Requests of the sample without a copy, and copies without an answer, by reason',
    ['pool', 'reason'],
    () =>
      mirrors().flatMap(({ pool, skipped }) =>
        Object.entries(skipped).map(([reason, count]) => [{ pool, reason }, count] as const),
      ),
  );
}
