/**
 * Which descriptors a thread has open, one bit each in shared memory, so that another thread can close them when the
 * first has died. Only the owner changes it. Descriptors from DESCRIPTORS_MAX on are not kept.
 */
export type DescriptorSet = Int32Array<SharedArrayBuffer>;

/** As many as Linux lets a process have by default (`fs.nr_open`); 128 KiB. */
const DESCRIPTORS_MAX = 1_048_576;

export function createDescriptorSet(): DescriptorSet {
  return new Int32Array(new SharedArrayBuffer(DESCRIPTORS_MAX / 8));
}

export function addDescriptor(set: DescriptorSet, fd: number): void {
  if (fd < DESCRIPTORS_MAX) set[fd >> 5] = set[fd >> 5]! | (1 << (fd & 31));
}

/** To be called before the descriptor is closed: its number may be another thread's at once. */
export function removeDescriptor(set: DescriptorSet, fd: number): void {
  if (fd < DESCRIPTORS_MAX) set[fd >> 5] = set[fd >> 5]! & ~(1 << (fd & 31));
}

export function descriptorsIn(set: DescriptorSet): readonly number[] {
  const found: number[] = [];
  for (const [at, word] of set.entries()) {
    for (let bit = 0, rest = word; rest !== 0; bit++, rest >>>= 1) if (rest & 1) found.push(at * 32 + bit);
  }
  return found;
}
