import { isIPv4, isIPv6 } from 'node:net';

/**
 * Writes the bytes of an IP address in text to the start of `into`: 4 or 16 of them. False if it is none.
 * node:dgram gives addresses as text only.
 */
export function addressBytes(text: string, into: Uint8Array): boolean {
  if (isIPv4(text)) {
    writeIPv4(text, into, 0);
    return true;
  }
  const plain = text.split('%')[0]!;
  if (!isIPv6(plain)) return false;
  into.fill(0, 0, 16);
  const [head = '', tail] = plain.split('::');
  writeGroups(head, into, 0);
  if (tail !== undefined) writeGroups(tail, into, 16 - 2 * groupCount(tail));
  return true;
}

/** 16 bytes as IPv6 text in the form of RFC 5952 §4. */
export function addressText(bytes: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, i) => (bytes[2 * i]! << 8) | bytes[2 * i + 1]!);
  const [from, length] = longestZeros(groups);
  const text = (some: readonly number[]): string => some.map((group) => group.toString(16)).join(':');
  if (length < 2) return text(groups);
  return `${text(groups.slice(0, from))}::${text(groups.slice(from + length))}`;
}

function longestZeros(groups: readonly number[]): readonly [from: number, length: number] {
  let best: readonly [number, number] = [0, 0];
  for (let from = 0, i = 0; i <= 8; i++) {
    if (groups[i] === 0) continue;
    if (i - from > best[1]) best = [from, i - from];
    from = i + 1;
  }
  return best;
}

function writeGroups(text: string, into: Uint8Array, from: number): void {
  let at = from;
  if (text === '') return;
  for (const group of text.split(':')) {
    if (group.includes('.')) {
      writeIPv4(group, into, at);
      at += 4;
      continue;
    }
    const value = Number.parseInt(group, 16);
    into[at++] = value >> 8;
    into[at++] = value & 0xff;
  }
}

function groupCount(text: string): number {
  if (text === '') return 0;
  return text.split(':').reduce((count, group) => count + (group.includes('.') ? 2 : 1), 0);
}

function writeIPv4(text: string, into: Uint8Array, at: number): void {
  for (const [i, part] of text.split('.').entries()) into[at + i] = Number(part);
}
