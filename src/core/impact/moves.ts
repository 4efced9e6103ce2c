/** From one distribution of answers to another: what share of the answers changes, and which go where. */
import type { Answered, AnsweredShare } from './view.js';

/** A pool of an answer, or what stands in the place of one. */
export interface Side {
  /** Empty for a record that is the same for everybody, and where there is no answer. */
  readonly pool: string;
  readonly region?: string;
  /** How it came to it, where that is not the first choice: `fallback`, `failed_open`, `failed_closed`, `no_pool`. */
  readonly reason?: string;
  /** Values that clients lose or get; at most ANSWERS_SHOWN. Empty: no answer. */
  readonly answers: readonly string[];
}

export interface Flow {
  readonly from: Side;
  readonly to: Side;
  /** Of all answers of the class. */
  readonly share: number;
}

const ANSWERS_SHOWN = 4;
/** Below this shares are rounding. */
export const SHARE_LEAST = 1e-7;

/**
 * The least that has to move: half the sum of the differences (total variation distance), so equal weights that are
 * drawn anew move nobody. What answers lose goes to the answers that gain, in proportion.
 */
export function flowsBetween(before: Answered, after: Answered): readonly Flow[] {
  if (before.answerKey === after.answerKey) return [];
  const old = byValue(before);
  const now = byValue(after);
  const lost = differences(old, now);
  const gained = differences(now, old);
  const total = [...gained.values()].reduce((sum, { share }) => sum + share, 0);
  if (total < SHARE_LEAST) return [];
  const flows: Flow[] = [];
  for (const from of sidesOf(lost, before.reason)) {
    for (const to of sidesOf(gained, after.reason)) {
      const share = (from.share * to.share) / total;
      if (share >= SHARE_LEAST) flows.push({ from: from.side, to: to.side, share });
    }
  }
  return flows;
}

interface Value {
  readonly pool: string;
  readonly region?: string;
  readonly share: number;
}

/** The address '' is "no answer". An address that two pools have is of the one that gives more of it. */
function byValue({ answers, empty }: Answered): ReadonlyMap<string, Value> {
  const values = new Map<string, Value & { largest: number }>();
  const add = ({ rdata, pool, region, share }: AnsweredShare) => {
    const known = values.get(rdata);
    const isLarger = !known || share > known.largest;
    const owner = isLarger ? { pool, ...(region !== undefined && { region }) } : known;
    values.set(rdata, {
      ...owner,
      share: share + (known?.share ?? 0),
      largest: Math.max(share, known?.largest ?? 0),
    });
  };
  for (const one of answers) add(one);
  if (empty > 0) add({ rdata: '', pool: '', share: empty });
  return values;
}

/** What of `from` is more than in `to`. */
function differences(from: ReadonlyMap<string, Value>, to: ReadonlyMap<string, Value>): Map<string, Value> {
  const more = new Map<string, Value>();
  for (const [rdata, value] of from) {
    const share = value.share - (to.get(rdata)?.share ?? 0);
    if (share >= SHARE_LEAST) more.set(rdata, { ...value, share });
  }
  return more;
}

function sidesOf(
  values: ReadonlyMap<string, Value>,
  reason: string,
): readonly { readonly side: Side; readonly share: number }[] {
  const pools = new Map<string, { pool: string; region?: string; share: number; answers: string[] }>();
  for (const [rdata, { pool, region, share }] of values) {
    const key = rdata === '' ? 'none' : `pool ${pool}`;
    const known = pools.get(key) ?? { pool, ...(region !== undefined && { region }), share: 0, answers: [] };
    known.share += share;
    if (rdata !== '' && known.answers.length < ANSWERS_SHOWN) known.answers.push(rdata);
    pools.set(key, known);
  }
  const note = reason === '' || reason === 'first' ? {} : { reason };
  return [...pools.values()].map(({ share, ...side }) => ({ side: { ...side, ...note }, share }));
}
