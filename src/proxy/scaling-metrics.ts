import { Gauge, type Registry } from 'prom-client';
import type { SubjectView } from '../core/scaling/subject.js';

type Row = readonly [labels: Readonly<Record<string, string>>, value: number];

/** The signals for autoscaling, by subject: a pool, or `(proxy)`. */
export function scalingMetrics(registry: Registry, views: () => readonly SubjectView[]): void {
  const gauges: readonly (readonly [string, string, string[], (view: SubjectView) => readonly Row[]])[] = [
    [
      'scaling_current',
      'Capacity that works: endpoints that are up; of the proxy itself 1',
      ['subject'],
      ({ subject, current }) => [[{ subject }, current]],
    ],
    [
      'scaling_desired',
      'Capacity that is wanted',
      ['subject'],
      ({ subject, desired }) => [[{ subject }, desired]],
    ],
    [
      'scaling_usage',
      'Usage as a multiple of its target, by metric',
      ['subject', 'metric'],
      ({ subject, metrics }) => metrics.map(({ metric, ratio }) => [{ subject, metric }, ratio] as const),
    ],
    [
      'scaling_limiting',
      '1 for the metric that comes to its end first',
      ['subject', 'metric'],
      ({ subject, limiting }) => (limiting === undefined ? [] : [[{ subject, metric: limiting }, 1]]),
    ],
    [
      'scaling_reason',
      '1 for why no more and no less is wanted',
      ['subject', 'reason'],
      ({ subject, reason }) => [[{ subject, reason }, 1]],
    ],
    [
      'scaling_forecast',
      'Capacity that will be wanted in a quarter of an hour',
      ['subject'],
      ({ subject, forecast }) => (forecast === undefined ? [] : [[{ subject }, forecast.desired]]),
    ],
    [
      'scaling_forecast_error',
      'How wrong such forecasts were, as a part of what came',
      ['subject'],
      ({ subject, forecast }) =>
        forecast?.error === undefined ? [] : [[{ subject }, forecast.error] as const],
    ],
  ];
  for (const [name, help, labelNames, rows] of gauges) {
    new Gauge({
      name: `meridian_proxy_${name}`,
      help,
      labelNames,
      registers: [registry],
      collect() {
        this.reset();
        for (const view of views()) for (const [labels, value] of rows(view)) this.set(labels, value);
      },
    });
  }
}
