/** What forecasts have learned, as text: so that a restart need not learn it for a week again. */

import { type ForecastState, SeasonalForecast } from './seasonal-forecast.js';

const VERSION = 1;
/** 1,000 pools have about 5 MiB. */
export const HISTORY_LENGTH_MAX = 64 * 1024 * 1024;

/** By subject. */
export function historyText(forecasts: ReadonlyMap<string, SeasonalForecast>): string {
  const subjects = Object.fromEntries([...forecasts].map(([name, forecast]) => [name, forecast.state]));
  return `${JSON.stringify({ version: VERSION, subjects })}\n`;
}

/** The forecasts of a text; a string says what is wrong with it. Never throws. */
export function parseHistory(text: string): ReadonlyMap<string, SeasonalForecast> | string {
  if (text.length > HISTORY_LENGTH_MAX) return 'it is too large';
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'it is no JSON';
  }
  if (!isRecord(value) || value['version'] !== VERSION) return `it is not of version ${VERSION}`;
  const { subjects } = value;
  if (!isRecord(subjects)) return 'it has no subjects';
  const forecasts = new Map<string, SeasonalForecast>();
  for (const [name, state] of Object.entries(subjects)) {
    const forecast = isRecord(state) ? SeasonalForecast.restored(state as Partial<ForecastState>) : null;
    if (forecast === null) return `what it says of ${JSON.stringify(name.slice(0, 63))} is damaged`;
    forecasts.set(name, forecast);
  }
  return forecasts;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
