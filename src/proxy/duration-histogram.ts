import { Histogram, type Registry } from 'prom-client';
import { LATENCY_SUM, latencyBelow, latencyCount } from '../core/tally/latency.js';

/** Bounds in milliseconds. Each is one of the cells' own bounds, so that what is counted below it is exact. */
const BOUNDS_MS: readonly number[] = Array.from({ length: 18 }, (_, i) => 0.512 * 2 ** i);

export interface DurationRows {
  /** In seconds: `…_duration_seconds`. */
  readonly name: string;
  readonly help: string;
  readonly rows: () => readonly {
    readonly labels: Readonly<Record<string, string>>;
    /** LATENCY_CELLS cells. */
    readonly cells: Float64Array;
  }[];
}

/** A Prometheus histogram of what was counted in cells: prom-client's own would count by itself. */
export function durationHistogram(registry: Registry, options: DurationRows): void {
  new CellHistogram(registry, options);
}

class CellHistogram extends Histogram {
  readonly #options: DurationRows;

  constructor(registry: Registry, options: DurationRows) {
    const { name, help } = options;
    super({
      name,
      help,
      labelNames: ['pool'],
      buckets: BOUNDS_MS.map((ms) => ms / 1000),
      registers: [registry],
    });
    this.#options = options;
  }

  /** What the registry asks for, also where it writes no text. */
  async getForPromString() {
    const { name, help, rows } = this.#options;
    const values = rows().flatMap((row) => valuesOf(name, row));
    return { name, help, type: 'histogram', aggregator: 'sum', values };
  }
}

function valuesOf(name: string, { labels, cells }: ReturnType<DurationRows['rows']>[number]) {
  const below = latencyBelow(cells, BOUNDS_MS);
  const count = latencyCount(cells);
  const row = (ending: string, value: number, own: Readonly<Record<string, string>> = {}) => ({
    metricName: `${name}_${ending}`,
    labels: own,
    sharedLabels: labels,
    value,
  });
  return [
    ...BOUNDS_MS.map((ms, i) => row('bucket', below[i]!, { le: String(ms / 1000) })),
    row('bucket', count, { le: '+Inf' }),
    row('sum', cells[LATENCY_SUM]! / 1000),
    row('count', count),
  ];
}
