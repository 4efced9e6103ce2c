import { type ScalingAdvice, ScalingAdvisor } from './advisor.js';
import type { ScalingModel } from './model.js';
import { QUARTER_MS, SeasonalForecast } from './seasonal-forecast.js';
import { type UsageMetric, usageOf, usageRatio } from './usage.js';

/** One thing that may grow: the proxy itself, or a pool. */
export interface SubjectView extends ScalingAdvice {
  readonly subject: string;
  /** What comes to its end first; absent where nothing is known. */
  readonly limiting?: string;
  /** Its usage, as a multiple of its target. */
  readonly usage?: number;
  readonly metrics: readonly MetricView[];
  readonly forecast?: ForecastView;
}

export interface MetricView {
  readonly metric: string;
  readonly value: number;
  readonly target: number;
  readonly ratio: number;
}

/** What will be wanted a quarter of an hour from now. */
export interface ForecastView {
  readonly desired: number;
  readonly basis: 'week' | 'day' | 'now';
  readonly error?: number;
  readonly naiveError?: number;
  readonly compared: number;
}

/** A forecast that is more often wrong than this, or no better than none, is shown and not used. */
const USED_ERROR_MAX = 0.25;
/** Two days: before, its error says little. */
const USED_COMPARED_MIN = 192;
/** How fast values follow what is measured. */
const SMOOTH_MS = 15_000;

/** Samples of one subject become advice and forecast. Clocks are given. */
export class ScalingSubject {
  readonly #name: string;
  readonly #advisor: ScalingAdvisor;
  readonly #uses: boolean;
  readonly #whole: boolean;
  readonly #forecast: SeasonalForecast;
  readonly #smooth = new Map<string, number>();
  #lastMs = Number.NaN;

  /** `forecast`: what was learned under former settings, to go on with. */
  constructor(name: string, model: ScalingModel, whole: boolean, forecast = new SeasonalForecast()) {
    this.#name = name;
    this.#advisor = new ScalingAdvisor(model.behaviour, whole);
    this.#uses = model.forecast === 'use';
    this.#whole = whole;
    this.#forecast = forecast;
  }

  get forecast(): SeasonalForecast {
    return this.#forecast;
  }

  /** `nowMs` never goes back; `wallMs` since 1970. `current`: capacity that works. */
  sample(nowMs: number, wallMs: number, current: number, measured: readonly UsageMetric[]): SubjectView {
    const metrics = this.#smoothed(nowMs, measured);
    const usage = current > 0 ? usageOf(metrics) : null;
    if (usage !== null) this.#forecast.add(wallMs, current * usage.ratio);
    const ahead = this.#view(wallMs);
    const used = this.#uses && ahead !== undefined && isUsed(ahead) ? { ahead: ahead.desired } : {};
    const advice = this.#advisor.sample(nowMs, { current, usage, ...used });
    return {
      subject: this.#name,
      ...advice,
      ...(usage && { limiting: usage.limiting, usage: usage.ratio }),
      metrics: metrics.flatMap((metric) => {
        const ratio = usageRatio(metric);
        const { name, value, target } = metric;
        return ratio === null ? [] : [{ metric: name, value, target, ratio }];
      }),
      ...(ahead && { forecast: ahead }),
    };
  }

  #view(wallMs: number): ForecastView | undefined {
    const forecast = this.#forecast.at(wallMs + QUARTER_MS);
    if (forecast === undefined) return undefined;
    const { error, naive, compared } = this.#forecast.error ?? { compared: 0 };
    return {
      desired: this.#whole ? Math.max(Math.ceil(forecast.value), 1) : forecast.value,
      basis: forecast.basis,
      ...(error !== undefined && naive !== undefined && { error, naiveError: naive }),
      compared,
    };
  }

  /** Moving averages; what is not known keeps none. */
  #smoothed(nowMs: number, measured: readonly UsageMetric[]): readonly UsageMetric[] {
    const elapsedMs = Math.max(nowMs - this.#lastMs, 0);
    this.#lastMs = nowMs;
    const part = Number.isNaN(elapsedMs) ? 1 : 1 - Math.exp(-elapsedMs / SMOOTH_MS);
    return measured.map((metric) => {
      const before = this.#smooth.get(metric.name);
      if (!(metric.value >= 0)) {
        this.#smooth.delete(metric.name);
        return metric;
      }
      const value = before === undefined ? metric.value : before + part * (metric.value - before);
      this.#smooth.set(metric.name, value);
      return { ...metric, value };
    });
  }
}

function isUsed({ error, naiveError, compared, basis }: ForecastView): boolean {
  if (error === undefined || naiveError === undefined || compared < USED_COMPARED_MIN) return false;
  return basis !== 'now' && error <= USED_ERROR_MAX && error <= naiveError;
}
