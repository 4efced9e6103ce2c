import { loadLinux } from './batched/linux.js';
import { BatchedTier } from './batched/tier.js';
import { PortableTier } from './portable/tier.js';
import type { Tier, TierEvents, TierOptions } from './tier.js';

export type IoChoice = 'auto' | 'batched' | 'portable';

/**
 * Which tier a choice means on this machine. `reason` says why `auto` fell back, or why `batched` can't be had
 * (then `tier` is absent).
 */
export function resolveTier(choice: IoChoice): { tier?: 'batched' | 'portable'; reason?: string } {
  if (choice === 'portable') return { tier: 'portable' };
  const linux = loadLinux();
  if (!('unavailable' in linux)) return { tier: 'batched' };
  return choice === 'auto' ? { tier: 'portable', reason: linux.unavailable } : { reason: linux.unavailable };
}

export function createTier(
  name: 'batched' | 'portable',
  options: TierOptions,
  events: TierEvents,
  now: () => number,
): Tier {
  if (name === 'portable') return new PortableTier(options, { events, now });
  const linux = loadLinux();
  if ('unavailable' in linux) throw new Error(linux.unavailable);
  return new BatchedTier(options, { linux, events, now });
}

/** Whether several threads can listen on one address with this tier (SO_REUSEPORT; in Node from 22.12 on). */
export function canShare(name: 'batched' | 'portable', nodeVersion: string): boolean {
  if (name === 'batched') return true;
  const [major = 0, minor = 0] = nodeVersion.split('.').map(Number);
  return process.platform === 'linux' && (major > 22 || (major === 22 && minor >= 12));
}
