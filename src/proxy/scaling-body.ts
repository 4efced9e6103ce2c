import { PROXY_SUBJECT } from '../core/scaling/region.js';
import type { SubjectView } from '../core/scaling/subject.js';

export interface ScalingState {
  readonly views: readonly SubjectView[];
  /** Milliseconds since 1970; NaN before the first sample. */
  readonly sampledMs: number;
}

/**
 * `GET /v1/scaling` of a proxy: numbers by name, so that a scaler reaches each with a path such as `pools.web.desired` (KEDA:
 * `valueLocation`).
 */
export function scalingBody(
  { name, region }: { readonly name: string; readonly region: string },
  { views, sampledMs }: ScalingState,
): unknown {
  const own = views.find(({ subject }) => subject === PROXY_SUBJECT);
  const pools = views.filter(({ subject }) => subject !== PROXY_SUBJECT);
  return {
    node: { name, region },
    sampled: Number.isNaN(sampledMs) ? null : new Date(sampledMs).toISOString(),
    proxy: own === undefined ? null : subjectBody(own),
    // fromEntries defines; a pool may be called like a property that every object has.
    pools: Object.fromEntries(pools.map((view) => [view.subject, subjectBody(view)])),
  };
}

function subjectBody({ action, current, desired, ratio, reason, ...view }: SubjectView) {
  const { limiting = null, usage = null, metrics, forecast } = view;
  return {
    action,
    current,
    desired: rounded(desired),
    ratio: rounded(ratio),
    reason,
    limiting,
    usage: usage === null ? null : rounded(usage),
    metrics: Object.fromEntries(
      metrics.map(({ metric, value, target, ratio: used }) => [
        metric,
        { value: rounded(value), target, usage: rounded(used) },
      ]),
    ),
    forecast:
      forecast === undefined
        ? null
        : {
            minutes: 15,
            desired: rounded(forecast.desired),
            basis: forecast.basis,
            error: forecast.error === undefined ? null : rounded(forecast.error),
            naive_error: forecast.naiveError === undefined ? null : rounded(forecast.naiveError),
            compared: forecast.compared,
          },
  };
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
