import type { Dice } from './dice.js';
import type { VirtualTime } from './virtual-time.js';

/**
 * Packets between named places, with what a network does to them: delay, loss, doubles, overtaking, partitions, and
 * links that lose everything one way.
 */
export class Network {
  readonly #time: VirtualTime;
  readonly #dice: Dice;
  /** Who is cut off, and from which side: `in`, `out`, or both. */
  readonly #cut = new Map<string, { readonly in: boolean; readonly out: boolean }>();
  /** How bad it is for reports: part that is lost, and the longest delay. */
  weather: { readonly loss: number; readonly delayMs: number } = GOOD_WEATHER;

  constructor(time: VirtualTime, dice: Dice) {
    this.#time = time;
    this.#dice = dice;
  }

  cut(place: string, direction: 'in' | 'out' | 'both'): void {
    this.#cut.set(place, { in: direction !== 'out', out: direction !== 'in' });
  }

  heal(place: string): void {
    this.#cut.delete(place);
  }

  /** Whether a packet gets through now, weather aside. Places that are cut off together are cut off from each other too. */
  open(from: string, to: string): boolean {
    return !this.#cut.get(from)?.out && !this.#cut.get(to)?.in;
  }

  /** Carries a message, perhaps twice, perhaps never. */
  send(from: string, to: string, deliver: () => void): void {
    const { loss, delayMs } = this.weather;
    const copies = this.#dice.chance(DOUBLE_PART) ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      if (this.#dice.chance(loss)) continue;
      // Most come soon; the square makes a few of them late.
      const late = this.#dice.random() ** 2 * delayMs;
      this.#time.setTimeout(() => {
        if (this.open(from, to)) deliver();
      }, DELAY_LEAST_MS + late);
    }
  }

  /** Calls back after a way there and back, or never. */
  roundTrip(from: string, to: string, back: () => void): void {
    const delayMs = DELAY_LEAST_MS + this.#dice.random() * GOOD_WEATHER.delayMs;
    this.#time.setTimeout(() => {
      if (this.open(from, to) && this.open(to, from)) back();
    }, 2 * delayMs);
  }
}

export const GOOD_WEATHER = { loss: 0, delayMs: 80 } as const;
export const BAD_WEATHER = { loss: 0.3, delayMs: 4000 } as const;

const DOUBLE_PART = 0.05;
const DELAY_LEAST_MS = 1;
