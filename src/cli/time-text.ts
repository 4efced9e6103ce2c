/** A time of the API as people read it: `2026-05-01 03:00:00Z`. Always UTC; what is no time stays as it is. */
export function timeText(iso: string): string {
  return ISO.test(iso) ? `${iso.slice(0, 10)} ${iso.slice(11, 19)}Z` : iso;
}

/** A text of the API with its times written so. */
export function withTimes(text: string): string {
  return text.replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g, timeText);
}

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;

/** The same with how far it is from now: `2026-05-01 03:00:00Z (in 59 min)`, `… (2 h ago)`. */
export function timeFromNow(iso: string, nowMs: number): string {
  const ms = Date.parse(iso) - nowMs;
  if (Number.isNaN(ms)) return iso;
  const length = lengthText(Math.abs(ms) / 1000);
  return `${timeText(iso)} (${ms < 0 ? `${length} ago` : `in ${length}`})`;
}

/** Seconds in the largest units that matter: `53 s`, `59 min`, `5 h 20 min`, `12 d 4 h`. */
export function lengthText(seconds: number): string {
  const whole = Math.floor(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return hours % 24 === 0 ? `${hours / 24} d` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}
