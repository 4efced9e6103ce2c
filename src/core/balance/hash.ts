/** Hashes of short keys, the same for bytes and for strings of one character per byte. */

/** A request without the key that its pool hashes by. */
export const NO_KEY = -1;

const FNV_BASIS = 0x811c9dc5 | 0;
const FNV_PRIME = 0x01000193;

/** 31 bits of `bytes[start, end)`: never NO_KEY, and always a small integer for the engine. */
export function hashBytes(bytes: Uint8Array, start: number, end: number): number {
  let hash = FNV_BASIS;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, FNV_PRIME);
  return mix(hash) >>> 1;
}

export function hashText(text: string): number {
  let hash = FNV_BASIS;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), FNV_PRIME);
  return mix(hash) >>> 1;
}

/** The finalizer of MurmurHash3: all bits of the result depend on all bits of `hash`. Unsigned, 32 bits. */
export function mix(hash: number): number {
  let h = hash ^ (hash >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
