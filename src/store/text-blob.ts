/**
 * A text as it is kept: whole, or as its difference from another text, compressed. A difference is what the two have in
 * common at their begin and end, and the bytes between: a zone of a megabyte with one more record takes a hundred bytes.
 *
 *     whole:      hash (32), deflated text
 *     difference: hash (32), hash of the other (32), bytes in common at the begin (4) and at the end (4), deflated rest
 */
import { hash } from 'node:crypto';
import { deflateRaw, inflateRawSync } from 'node:zlib';

export const TEXT_BYTES_MAX = 16 * 1024 * 1024;
const HASH_BYTES = 32;
const DIFFERENCE_HEAD_BYTES = 2 * HASH_BYTES + 8;

/** SHA-256 in base64, as the loader names the versions of zone files. */
export function textHash(text: string): string {
  return hash('sha256', text, 'base64');
}

export async function encodeWhole(text: string): Promise<Buffer> {
  return Buffer.concat([Buffer.from(textHash(text), 'base64'), await deflate(Buffer.from(text))]);
}

/** The difference of a text from another; undefined where too little is the same to be worth it. */
export async function encodeDifference(text: string, other: string): Promise<Buffer | undefined> {
  const [bytes, base] = [Buffer.from(text), Buffer.from(other)];
  const most = Math.min(bytes.length, base.length);
  const before = commonBegin(bytes, base, most);
  const after = commonEnd(bytes, base, most - before);
  const rest = bytes.subarray(before, bytes.length - after);
  if (rest.length * 2 > bytes.length) return undefined;
  const head = Buffer.alloc(DIFFERENCE_HEAD_BYTES);
  head.write(textHash(text), 0, 'base64');
  head.write(textHash(other), HASH_BYTES, 'base64');
  head.writeUInt32LE(before, 2 * HASH_BYTES);
  head.writeUInt32LE(after, 2 * HASH_BYTES + 4);
  return Buffer.concat([head, await deflate(rest)]);
}

/** Which text a blob is of. */
export function hashOf(blob: Buffer): string {
  return blob.toString('base64', 0, HASH_BYTES);
}

/** Which text a difference starts from. */
export function baseOf(difference: Buffer): string {
  return difference.toString('base64', HASH_BYTES, 2 * HASH_BYTES);
}

/** Undefined where it is none of a text of at most TEXT_BYTES_MAX bytes. */
export function decodeWhole(blob: Buffer): Buffer | undefined {
  return inflate(blob.subarray(HASH_BYTES));
}

/** `other`: the text that it starts from. */
export function decodeDifference(blob: Buffer, other: Buffer): Buffer | undefined {
  if (blob.length < DIFFERENCE_HEAD_BYTES) return undefined;
  const before = blob.readUInt32LE(2 * HASH_BYTES);
  const after = blob.readUInt32LE(2 * HASH_BYTES + 4);
  if (before + after > other.length) return undefined;
  const rest = inflate(blob.subarray(DIFFERENCE_HEAD_BYTES));
  return rest && Buffer.concat([other.subarray(0, before), rest, other.subarray(other.length - after)]);
}

function commonBegin(a: Buffer, b: Buffer, most: number): number {
  let at = 0;
  // Whole blocks first: they are compared many times as fast.
  while (at + BLOCK <= most && a.compare(b, at, at + BLOCK, at, at + BLOCK) === 0) at += BLOCK;
  while (at < most && a[at] === b[at]) at++;
  return at;
}

function commonEnd(a: Buffer, b: Buffer, most: number): number {
  let count = 0;
  const same = (length: number) =>
    a.compare(
      b,
      b.length - length,
      b.length - length + BLOCK,
      a.length - length,
      a.length - length + BLOCK,
    ) === 0;
  while (count + BLOCK <= most && same(count + BLOCK)) count += BLOCK;
  while (count < most && a[a.length - 1 - count] === b[b.length - 1 - count]) count++;
  return count;
}

const BLOCK = 4096;

function deflate(bytes: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    deflateRaw(bytes, (error, result) => (error ? reject(error) : resolve(result)));
  });
}

function inflate(bytes: Buffer): Buffer | undefined {
  try {
    return inflateRawSync(bytes, { maxOutputLength: TEXT_BYTES_MAX });
  } catch {
    return undefined;
  }
}
