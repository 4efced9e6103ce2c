import { sameData } from './same-data.js';

/** Which items of a list stay, and where new ones go. */
export interface Alignment {
  /** Numbers of items in the old and in the new list that belong together, equal or changed; both rise. */
  readonly pairs: readonly (readonly [number, number])[];
  /** New items, and the old one that each comes behind; -1: it comes first. */
  readonly inserts: readonly { readonly after: number; readonly to: number }[];
}

/** Comparisons of two items; lists that would take more are replaced as a whole. */
const COMPARISONS_MAX = 250_000;

/** Equal items belong together, and between them those of the same place. Undefined where that would take too long. */
export function alignLists(old: readonly unknown[], value: readonly unknown[]): Alignment | undefined {
  const least = Math.min(old.length, value.length);
  let head = 0;
  while (head < least && sameData(old[head], value[head])) head++;
  let tail = 0;
  while (tail < least - head && sameData(old.at(-1 - tail), value.at(-1 - tail))) tail++;
  const [rows, columns] = [old.length - head - tail, value.length - head - tail];
  if (rows * columns > COMPARISONS_MAX) return undefined;
  const equal = equalPairs(old.slice(head, head + rows), value.slice(head, head + columns));
  const pairs: [number, number][] = [];
  for (let i = 0; i < head; i++) pairs.push([i, i]);
  const anchors = [...equal.map(([i, j]): [number, number] => [i + head, j + head])];
  anchors.push([head + rows, head + columns]);
  const inserts: { after: number; to: number }[] = [];
  let [i, j] = [head, head];
  for (const [nextOld, nextNew] of anchors) {
    for (; i < nextOld && j < nextNew; i++, j++) pairs.push([i, j]);
    for (; j < nextNew; j++) inserts.push({ after: i - 1, to: j });
    if (nextOld < head + rows) pairs.push([nextOld, nextNew]);
    [i, j] = [nextOld + 1, nextNew + 1];
  }
  for (let k = 0; k < tail; k++) pairs.push([head + rows + k, head + columns + k]);
  return { pairs, inserts };
}

/** The longest common subsequence. */
function equalPairs(
  old: readonly unknown[],
  value: readonly unknown[],
): readonly (readonly [number, number])[] {
  const width = value.length + 1;
  const lengths = new Int32Array((old.length + 1) * width);
  const same = new Uint8Array((old.length + 1) * width);
  for (let i = old.length - 1; i >= 0; i--) {
    for (let j = value.length - 1; j >= 0; j--) {
      const at = i * width + j;
      if (sameData(old[i], value[j])) {
        same[at] = 1;
        lengths[at] = lengths[at + width + 1]! + 1;
      } else lengths[at] = Math.max(lengths[at + width]!, lengths[at + 1]!);
    }
  }
  const pairs: [number, number][] = [];
  for (let i = 0, j = 0; i < old.length && j < value.length; ) {
    const at = i * width + j;
    if (same[at]) pairs.push([i++, j++]);
    else if (lengths[at + width]! >= lengths[at + 1]!) i++;
    else j++;
  }
  return pairs;
}
