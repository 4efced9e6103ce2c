import { historyText, parseHistory } from '../core/scaling/history.js';
import type { SeasonalForecast } from '../core/scaling/seasonal-forecast.js';
import type { ProxyLog } from '../proxy/modules.js';
import { readOptionalFile, writePrivateFile } from '../sources/private-file.js';

const SAVE_MS = 900_000;

/** What forecasts learned before; nothing where there is no file, or none that is good: then they begin anew. */
export async function readScalingHistory(
  path: string | undefined,
  log: ProxyLog,
): Promise<ReadonlyMap<string, SeasonalForecast>> {
  if (path === undefined) return new Map();
  try {
    const text = await readOptionalFile(path);
    const read = text === undefined ? new Map<string, SeasonalForecast>() : parseHistory(text);
    if (typeof read !== 'string') return read;
    log.warn({ file: path, problem: read }, 'the history of scaling is not good; forecasts begin anew');
  } catch (error) {
    log.warn({ file: path, error: String(error) }, 'the history of scaling can not be read');
  }
  return new Map();
}

/** Writes the history from time to time, and when it is closed; without a path it does nothing. */
export class ScalingHistory {
  readonly #path: () => string | undefined;
  readonly #forecasts: () => ReadonlyMap<string, SeasonalForecast>;
  readonly #log: ProxyLog;
  readonly #timer: NodeJS.Timeout;
  #saving: Promise<void> = Promise.resolve();

  constructor(
    path: () => string | undefined,
    forecasts: () => ReadonlyMap<string, SeasonalForecast>,
    log: ProxyLog,
  ) {
    this.#path = path;
    this.#forecasts = forecasts;
    this.#log = log;
    this.#timer = setInterval(() => void this.save(), SAVE_MS).unref();
  }

  /** One after the other; a disk that can't be written is only told about. */
  save(): Promise<void> {
    this.#saving = this.#saving.then(() => this.#write());
    return this.#saving;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.save();
  }

  async #write(): Promise<void> {
    const path = this.#path();
    if (path === undefined) return;
    try {
      await writePrivateFile(path, historyText(this.#forecasts()));
    } catch (error) {
      this.#log.warn({ file: path, error: String(error) }, 'the history of scaling can not be written');
    }
  }
}
