import { SHARE_FULL } from './word.js';

/**
 * What part of its weight a target takes `elapsedMs` after it came back, in 256ths: from 1 it climbs in a straight
 * line to 256, which it reaches after `rampMs`. A clock that was set back starts the climb anew.
 */
export function rampShare(elapsedMs: number, rampMs: number): number {
  if (elapsedMs >= rampMs) return SHARE_FULL;
  const part = Math.floor((Math.max(elapsedMs, 0) / rampMs) * SHARE_FULL);
  return Math.min(Math.max(part, 1), SHARE_FULL - 1);
}
