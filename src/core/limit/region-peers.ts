import { hashText } from '../balance/hash.js';
import type { RegionShare } from './bucket-rate.js';
import type { RegionHead } from './region-message.js';

/** How often each proxy tells the others, and for how long they count on it after its last word. */
export const REGION_INTERVAL_MS = 100;
export const REGION_SILENCE_MS: number = 3 * REGION_INTERVAL_MS;
/** Clocks of a region differ by less; an older message is one that somebody kept. */
export const REGION_CLOCK_MS = 30_000;

export type RegionVerdict = 'ok' | 'unknown_sender' | 'stale' | 'repeated';

interface Peer {
  epochMs: number;
  sequence: number;
  heardMs: number;
  gone: boolean;
}

/**
 * Which proxies of the region are heard. One that said goodbye counts no more; one that is silent keeps its part of every limit:
 * it may well be there and serve, cut off.
 */
export class RegionPeers {
  readonly #peers: ReadonlyMap<string, Peer>;

  constructor(names: readonly string[]) {
    this.#peers = new Map(
      names.map((name) => [
        name,
        { epochMs: -1, sequence: -1, heardMs: Number.NEGATIVE_INFINITY, gone: false },
      ]),
    );
  }

  /**
   * Whether a message of `name` may be taken; if so it counts as heard.
   *
   * @param nowMs of a clock that never goes back.
   * @param wallMs milliseconds since 1970.
   */
  hear(name: string, head: RegionHead, nowMs: number, wallMs: number): RegionVerdict {
    const peer = this.#peers.get(name);
    if (peer === undefined || head.from !== hashText(name)) return 'unknown_sender';
    // A start that lies ahead would make all later ones look like repetitions.
    if (
      !(Math.abs(wallMs - head.sentMs) <= REGION_CLOCK_MS) ||
      !(head.epochMs <= wallMs + 2 * REGION_CLOCK_MS)
    )
      return 'stale';
    const isNew =
      head.epochMs > peer.epochMs || (head.epochMs === peer.epochMs && head.sequence > peer.sequence);
    if (!isNew) return 'repeated';
    peer.epochMs = head.epochMs;
    peer.sequence = head.sequence;
    peer.heardMs = nowMs;
    peer.gone = head.goodbye;
    return 'ok';
  }

  /** How the limits are shared now. */
  share(nowMs: number): RegionShare {
    let proxies = 1;
    let heard = 1;
    for (const { gone, heardMs } of this.#peers.values()) {
      if (gone) continue;
      proxies++;
      if (nowMs - heardMs <= REGION_SILENCE_MS) heard++;
    }
    return { proxies, heard };
  }

  /** For people: when each was heard last; null for never. */
  list(nowMs: number): readonly { readonly name: string; readonly state: 'heard' | 'silent' | 'gone' }[] {
    return [...this.#peers].map(([name, { gone, heardMs }]) => ({
      name,
      state: gone ? 'gone' : nowMs - heardMs <= REGION_SILENCE_MS ? 'heard' : 'silent',
    }));
  }
}
