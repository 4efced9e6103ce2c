import { mix, NO_KEY } from './hash.js';
import type { Arrangement } from './layers.js';
import { type Algorithm, createPicker, type PickContext, type Picker } from './picker.js';
import { layOut } from './round-robin.js';

/** Loads are kept to a percent, as a schedule of so many turns. */
const SLOTS = 100;

/**
 * The picker of a whole pool: one of the algorithm for each layer. A request whose layer has nothing left to pick
 * goes to the other layers in their order, then to the spare endpoints.
 */
export function createPoolPicker(algorithm: Algorithm, { layers, spare }: Arrangement): Picker {
  const pickers = layers.map(({ candidates }) => createPicker(algorithm, candidates));
  const fallbacks = spare.length > 0 ? [...pickers, createPicker(algorithm, spare)] : pickers;
  if (fallbacks.length === 0) return { pick: () => -1 };
  const refusing = layers.map(({ candidates }) => candidates.length === 0);
  if (fallbacks.length === 1 && pickers.length === 1) return pickers[0]!;
  const turns = new LayerTurns(layers.map(({ load }) => load));
  return {
    pick(context: PickContext): number {
      const { turn } = context;
      const slot = (context.key === NO_KEY ? turn : mix(~context.key)) % turns.length;
      const chosen = turns.layers[slot]!;
      if (refusing[chosen]) return -1;
      context.turn = turns.ownTurn(turn, chosen);
      let index = pickers[chosen]!.pick(context);
      for (let i = 0; index < 0 && i < fallbacks.length; i++) {
        if (i !== chosen) index = fallbacks[i]!.pick(context);
      }
      context.turn = turn;
      return index;
    },
  };
}

/** Which layer has which turn, and how many turns a layer has had: each then counts without gaps. */
class LayerTurns {
  readonly layers: Int32Array;
  readonly length: number;
  /** By slot and layer: turns of the layer before the slot. */
  readonly #before: Int32Array;
  readonly #perRound: Int32Array;

  constructor(loads: readonly number[]) {
    const slots = loads.map((load, index) => ({ index, weight: Math.round(load * SLOTS) }));
    const used = slots.filter(({ weight }) => weight > 0);
    // A layer whose part is below half a percent is there for the others' overflow only.
    this.layers = used.length > 0 ? layOut(used) : Int32Array.of(0);
    this.length = this.layers.length;
    this.#before = new Int32Array(this.length * loads.length);
    this.#perRound = new Int32Array(loads.length);
    this.layers.forEach((layer, slot) => {
      this.#before.set(this.#perRound, slot * loads.length);
      this.#perRound[layer]!++;
    });
  }

  ownTurn(turn: number, layer: number): number {
    const layers = this.#perRound.length;
    const slot = turn % this.length;
    return ((turn - slot) / this.length) * this.#perRound[layer]! + this.#before[slot * layers + layer]!;
  }
}
