/**
 * What a quantity will be, by the time of day and of the week: seasonal exponential smoothing with a damped level
 * (Holt-Winters without trend; Hyndman and Athanasopoulos, "Forecasting", §8.3), in 168 × 4 quarters of an hour. It says how
 * wrong it was, beside the forecast that anybody can make: that nothing changes.
 */

export const QUARTER_MS = 900_000;
export const QUARTERS = 672;
const QUARTERS_OF_DAY = 96;

/** How fast the week's shape follows a new week, and the level a new quarter. */
const SHAPE_PART = 0.3;
const LEVEL_PART = 0.3;
/** Of a level that differs from the usual one this part is left a quarter later. */
const LEVEL_KEPT = 0.97;
const LEVEL_MIN = 0.25;
const LEVEL_MAX = 4;
/** Errors are forgotten within days. */
const ERROR_KEPT = 1 - 1 / (2 * QUARTERS_OF_DAY);

export interface Forecast {
  readonly value: number;
  /** What it is made of: this quarter of former weeks, this time of other days, or only of now. */
  readonly basis: 'week' | 'day' | 'now';
}

/** How wrong forecasts of a quarter ahead were, as a part of what came: 0 is perfect. */
export interface ForecastError {
  readonly error: number;
  /** Of the forecast that nothing changes. */
  readonly naive: number;
  /** Forecasts that were compared. */
  readonly compared: number;
}

/** What was learned, as plain data. */
export interface ForecastState {
  /** By quarter of the week from 1970-01-01 00:00 UTC on, a Thursday; null: not seen yet. */
  readonly shape: readonly (number | null)[];
  readonly level: number;
  /** Sums of the comparisons. */
  readonly wrong: number;
  readonly naiveWrong: number;
  readonly came: number;
  readonly compared: number;
}

export class SeasonalForecast {
  /** Goes on where another one was; null if the state is none. */
  static restored(state: Partial<ForecastState>): SeasonalForecast | null {
    const { shape, level, ...sums } = state;
    const forecast = new SeasonalForecast();
    if (!Array.isArray(shape) || shape.length !== QUARTERS) return null;
    for (const [i, value] of shape.entries()) {
      if (value === null) continue;
      if (!isAmount(value)) return null;
      forecast.#shape[i] = value;
    }
    const { wrong, naiveWrong, came, compared } = sums;
    if (!isAmount(level) || level < LEVEL_MIN || level > LEVEL_MAX) return null;
    if (!isAmount(wrong) || !isAmount(naiveWrong) || !isAmount(came) || !isAmount(compared)) return null;
    forecast.#level = level;
    forecast.#wrong = wrong;
    forecast.#naiveWrong = naiveWrong;
    forecast.#came = came;
    forecast.#compared = Math.trunc(compared);
    return forecast;
  }

  /** By quarter of the week; NaN: not seen yet. */
  readonly #shape: Float32Array = new Float32Array(QUARTERS).fill(Number.NaN);
  #level = 1;
  /** Number of the open quarter since 1970. */
  #open = Number.NaN;
  #sum = 0;
  #count = 0;
  /** The mean of the last quarter; NaN where it was not seen. */
  #last = Number.NaN;
  /** What was said of the open quarter when it began. */
  #said = Number.NaN;
  #wrong = 0;
  #naiveWrong = 0;
  #came = 0;
  #compared = 0;

  /**
   * Adds what is now; `wallMs` since 1970. A clock that goes back is ignored until it is where it was, for a
   * day at most.
   */
  add(wallMs: number, value: number): void {
    if (!(value >= 0) || !Number.isFinite(value)) return;
    const quarter = Math.floor(wallMs / QUARTER_MS);
    if (!(quarter >= 0)) return;
    if (quarter < this.#open && this.#open - quarter < QUARTERS_OF_DAY) return;
    if (quarter !== this.#open) this.#begin(quarter);
    this.#sum += value;
    this.#count++;
  }

  /** What is expected at a time; undefined before anything was added. */
  at(wallMs: number): Forecast | undefined {
    const quarter = Math.floor(wallMs / QUARTER_MS);
    const now = this.#now();
    if (Number.isNaN(now)) return undefined;
    const steps = Math.max(quarter - this.#open, 0);
    const usual = this.#usual(quarter);
    if (usual === undefined) return { value: now, basis: 'now' };
    const level = 1 + (this.#level - 1) * LEVEL_KEPT ** steps;
    return { value: usual.value * level, basis: usual.basis };
  }

  get state(): ForecastState {
    return {
      shape: Array.from(this.#shape, (value) => (Number.isNaN(value) ? null : Number(value.toPrecision(6)))),
      level: this.#level,
      wrong: this.#wrong,
      naiveWrong: this.#naiveWrong,
      came: this.#came,
      compared: this.#compared,
    };
  }

  /** Undefined before the first comparison. */
  get error(): ForecastError | undefined {
    if (this.#compared === 0) return undefined;
    const of = (wrong: number): number => (this.#came > 0 ? wrong / this.#came : wrong > 0 ? 1 : 0);
    return { error: of(this.#wrong), naive: of(this.#naiveWrong), compared: this.#compared };
  }

  #now(): number {
    return this.#count > 0 ? this.#sum / this.#count : this.#last;
  }

  #begin(quarter: number): void {
    const before = this.#open;
    if (this.#count > 0) this.#learn(before, this.#sum / this.#count);
    // After a gap nothing is known of the quarter before.
    if (quarter !== before + 1) this.#last = Number.NaN;
    this.#open = quarter;
    this.#sum = 0;
    this.#count = 0;
    const usual = this.#usual(quarter);
    this.#said = usual === undefined ? this.#last : usual.value * (1 + (this.#level - 1) * LEVEL_KEPT);
  }

  #learn(quarter: number, mean: number): void {
    this.#compare(mean);
    const at = quarter % QUARTERS;
    const usual = this.#usual(quarter);
    if (usual !== undefined && usual.value > 0) {
      const level = Math.min(Math.max(mean / usual.value, LEVEL_MIN), LEVEL_MAX);
      this.#level += LEVEL_PART * (level - this.#level);
    }
    const known = this.#shape[at]!;
    this.#shape[at] = Number.isNaN(known) ? mean : known + SHAPE_PART * (mean - known);
    this.#last = mean;
  }

  #compare(mean: number): void {
    if (Number.isNaN(this.#said) || Number.isNaN(this.#last)) return;
    this.#wrong = this.#wrong * ERROR_KEPT + Math.abs(mean - this.#said);
    this.#naiveWrong = this.#naiveWrong * ERROR_KEPT + Math.abs(mean - this.#last);
    this.#came = this.#came * ERROR_KEPT + mean;
    this.#compared++;
  }

  /** What former weeks say of a quarter; else what the other days say of that time. */
  #usual(quarter: number): Forecast | undefined {
    const at = quarter % QUARTERS;
    const known = this.#shape[at]!;
    if (!Number.isNaN(known)) return { value: known, basis: 'week' };
    let sum = 0;
    let days = 0;
    for (let i = at % QUARTERS_OF_DAY; i < QUARTERS; i += QUARTERS_OF_DAY) {
      const other = this.#shape[i]!;
      if (Number.isNaN(other)) continue;
      sum += other;
      days++;
    }
    return days === 0 ? undefined : { value: sum / days, basis: 'day' };
  }
}

const AMOUNT_MAX = 1e15;

function isAmount(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= AMOUNT_MAX;
}
