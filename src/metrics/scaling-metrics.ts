import { Gauge, type Registry } from 'prom-client';
import { PROXY_SUBJECT, type RegionScaling, type RegionSubject } from '../core/scaling/region.js';

type Labels = Readonly<Record<string, string>>;

/** More pools than this have no rows. */
const SUBJECTS_MAX = 1_000;

/** What the proxies of each region want, read anew for each scrape. A subject is a pool, or `(proxy)`: the proxies themselves. */
export function scalingMetrics(registry: Registry, regions: () => ReadonlyMap<string, RegionScaling>): void {
  const gauge = (name: string, help: string, labelNames: string[], rows: () => readonly Row[]) =>
    new Gauge({
      name: `meridian_scaling_${name}`,
      help,
      labelNames,
      registers: [registry],
      collect() {
        this.reset();
        for (const [labels, value] of rows()) this.set(labels, value);
      },
    });
  gauge('proxies_missing', 'Proxies whose reports are too old.', ['region'], () =>
    [...regions()].map(([region, { missing }]) => [{ region }, missing]),
  );
  for (const [name, help, labels, row] of SUBJECT_GAUGES) {
    gauge(name, help, ['region', 'subject', ...labels], () =>
      subjectsOf(regions()).flatMap(([of, subject]) => {
        const found = row(subject);
        return found === undefined ? [] : [[{ ...of, ...found[0] }, found[1]] as const];
      }),
    );
  }
}

type Row = readonly [labels: Labels, value: number];

const SUBJECT_GAUGES: readonly (readonly [
  name: string,
  help: string,
  labels: readonly string[],
  row: (subject: RegionSubject) => Row | undefined,
])[] = [
  ['current', 'Capacity that works: proxies that report, or endpoints that are up.', [], one('current')],
  ['desired', 'Capacity that is wanted.', [], one('desired')],
  ['forecast', 'Capacity that will be wanted in a quarter of an hour.', [], one('forecast')],
  ['forecast_error', 'How wrong such forecasts were, as a part of what came.', [], one('forecastError')],
  [
    'usage',
    'Usage of the metric that comes to its end first, as a multiple of its target.',
    ['metric'],
    ({ usage, limiting }) => (usage === undefined ? undefined : [{ metric: limiting ?? 'none' }, usage]),
  ],
  ['reason', '1 for why no more and no less is wanted.', ['reason'], ({ reason }) => [{ reason }, 1]],
];

function one(key: 'current' | 'desired' | 'forecast' | 'forecastError') {
  return ({ [key]: value }: RegionSubject): Row | undefined =>
    value === undefined ? undefined : [{}, value];
}

function subjectsOf(
  regions: ReadonlyMap<string, RegionScaling>,
): readonly (readonly [labels: Labels, subject: RegionSubject])[] {
  const all = [...regions].flatMap(([region, { proxies, pools }]) => {
    const own = proxies === undefined ? [] : [[{ region, subject: PROXY_SUBJECT }, proxies] as const];
    return [...own, ...[...pools].map(([subject, pool]) => [{ region, subject }, pool] as const)];
  });
  return all.slice(0, SUBJECTS_MAX);
}
