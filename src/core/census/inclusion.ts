/**
 * The probability that each of several things with weights is in a weighted sample of `size` of them without
 * replacement, as `policy/pick-many.ts` draws it (A-ES; Efraimidis & Spirakis 2006).
 *
 * Such a sample is who comes first when thing `i` comes at a time with an exponential distribution of rate `w[i]`. So
 * the probability is the integral over the time `t` at which `i` comes, of its density times the probability that
 * fewer than `size` others came before. With x = ln t the integrand falls off doubly exponentially at both ends, where
 * the trapezoid rule converges fastest (Takahasi & Mori 1974).
 *
 * `weights`: all above 0. Each result is between 0 and 1, and together they are `size`.
 */
export function inclusion(weights: readonly number[], size: number): readonly number[] {
  if (weights.length <= size) return weights.map(() => 1);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  if (size === 1) return weights.map((weight) => weight / total);
  if (weights.every((weight) => weight === weights[0])) return weights.map(() => size / weights.length);
  const sums = new Float64Array(weights.length);
  const room = rooms(weights.length, size);
  const from = Math.log(TINY / total);
  const to = Math.log(LATE / Math.min(...weights));
  const step = Math.min(STEP_MAX, (to - from) / STEPS_MIN);
  for (let x = from; x <= to; x += step) addPoint(weights, size, Math.exp(x), step, sums, room);
  // What the rule leaves open is spread evenly, so that the sum is exact.
  const sum = sums.reduce((all, one) => all + one, 0);
  return [...sums].map((one) => Math.min((one * size) / sum, 1));
}

const TINY = 1e-12;
const LATE = 40;
const STEP_MAX = 0.12;
const STEPS_MIN = 200;

/** For each prefix and each suffix of the list: the probability that so many of it have come. */
interface Rooms {
  readonly before: Float64Array;
  readonly after: Float64Array;
}

function rooms(count: number, size: number): Rooms {
  return { before: new Float64Array((count + 1) * size), after: new Float64Array((count + 1) * size) };
}

function addPoint(
  weights: readonly number[],
  size: number,
  t: number,
  step: number,
  sums: Float64Array,
  { before, after }: Rooms,
): void {
  const count = weights.length;
  before.fill(0);
  after.fill(0);
  before[0] = 1;
  after[count * size] = 1;
  for (let i = 0; i < count; i++) addOne(before, i * size, (i + 1) * size, size, Math.exp(-weights[i]! * t));
  for (let i = count - 1; i >= 0; i--)
    addOne(after, (i + 1) * size, i * size, size, Math.exp(-weights[i]! * t));
  for (let i = 0; i < count; i++) {
    let fewer = 0;
    let behind = 0;
    // The sum over all a + b < size: `behind` is the sum over b.
    for (let a = size - 1, b = 0; a >= 0; a--, b++) {
      behind += after[(i + 1) * size + b]!;
      fewer += before[i * size + a]! * behind;
    }
    const rate = weights[i]! * t;
    sums[i] = sums[i]! + fewer * rate * Math.exp(-rate) * step;
  }
}

/** One more thing, which has not come yet with probability `absent`. */
function addOne(table: Float64Array, from: number, to: number, size: number, absent: number): void {
  for (let k = size - 1; k >= 0; k--) {
    const fewer = k > 0 ? table[from + k - 1]! : 0;
    table[to + k] = table[from + k]! * absent + fewer * (1 - absent);
  }
}
