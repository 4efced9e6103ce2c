import { randomBytes } from 'node:crypto';
import { MessageChannel } from 'node:worker_threads';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { afterEach, expect, it } from 'vitest';
import type { ContentCoding } from '../../../../src/core/http/accept-encoding.js';
import type { EncoderOptions, EncoderOwner } from '../../../../src/proxy/compression/encoder.js';
import { serveEncoders } from '../../../../src/proxy/compression/encoder-desk.js';
import { EncoderLink } from '../../../../src/proxy/compression/encoder-link.js';
import { ZlibEncoders } from '../../../../src/proxy/compression/zlib-encoders.js';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

/** A worker and the thread that compresses, in one thread. */
function linked(max = 4) {
  const { port1, port2 } = new MessageChannel();
  const link = new EncoderLink(port1, max);
  const encoders = new ZlibEncoders();
  let closed = false;
  serveEncoders(
    port2,
    () => link.receive(),
    () => {
      closed = true;
    },
    encoders,
  );
  cleanups.push(() => port1.close());
  return { link, encoders, port1, closed: () => closed };
}

class Collector implements EncoderOwner {
  readonly chunks: Uint8Array[] = [];
  rooms = 0;
  failure: string | null = null;
  #end: () => void = () => {};
  readonly done: Promise<void> = new Promise((resolve) => {
    this.#end = resolve;
  });
  onEncoded(bytes: Uint8Array): void {
    this.chunks.push(bytes);
  }
  onEncoderRoom(): void {
    this.rooms++;
  }
  onEncoderEnd(): void {
    this.#end();
  }
  onEncoderFailure(message: string): void {
    this.failure = message;
    this.#end();
  }
  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }
}

function options(coding: ContentCoding): EncoderOptions {
  return { coding, effort: 'low', prompt: false };
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 2000 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 2));
  expect(condition()).toBe(true);
}

it.each([
  ['gzip', gunzipSync],
  ['br', brotliDecompressSync],
] as const)('bodies in %s come back whole, with backpressure on the way', async (coding, decode) => {
  const { link, encoders } = linked();
  const body = randomBytes(2_000_000);
  const owner = new Collector();
  const encoder = link.open(options(coding), owner)!;
  let refused = 0;
  for (let at = 0; at < body.length; at += 50_000) {
    const rooms = owner.rooms;
    const flowing = encoder.write(body, at, Math.min(at + 50_000, body.length));
    if (flowing) continue;
    refused++;
    await until(() => owner.rooms > rooms);
  }
  encoder.end();
  await owner.done;
  expect(owner.failure).toBeNull();
  expect(refused).toBeGreaterThan(3);
  expect(decode(owner.bytes).equals(body)).toBe(true);
  expect(encoders.count).toBe(0);
});

it('input may be written over at once, also in a Buffer of the shared pool', async () => {
  const { link } = linked();
  const owner = new Collector();
  const encoder = link.open(options('gzip'), owner)!;
  const memory = Buffer.from('the first text');
  encoder.write(memory, 4, 9);
  memory.fill(0);
  encoder.end();
  await owner.done;
  expect(gunzipSync(owner.bytes).toString()).toBe('first');
});

it('an owner that pauses stops the thread, and gets all of it later', async () => {
  const { link } = linked();
  const body = randomBytes(120_000);
  const owner = new Collector();
  const encoder = link.open(options('gzip'), owner)!;
  encoder.pause();
  for (let i = 0; i < 8; i++) encoder.write(body, 0, body.length);
  encoder.end();
  await until(() => owner.bytes.length >= 128 * 1024);
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
  expect(owner.bytes.length).toBeLessThan(256 * 1024);
  encoder.resume();
  await owner.done;
  expect(gunzipSync(owner.bytes)).toHaveLength(8 * 120_000);
});

it('what is cancelled is told nothing more, and frees its place on both sides', async () => {
  const { link, encoders } = linked(1);
  const owner = new Collector();
  const encoder = link.open(options('gzip'), owner)!;
  expect(link.open(options('gzip'), new Collector())).toBeNull();
  encoder.write(randomBytes(1000), 0, 1000);
  encoder.cancel();
  const next = new Collector();
  link.open(options('br'), next)!.end();
  await next.done;
  expect(owner.chunks).toHaveLength(0);
  expect(encoders.count).toBe(0);
});

it('bodies of a thread that ended fail; the next ones go to its successor', async () => {
  const { link } = linked();
  const lost = new Collector();
  link.open(options('gzip'), lost)!.write(Buffer.from('x'), 0, 1);
  const { port1, port2 } = new MessageChannel();
  serveEncoders(
    port2,
    () => link.receive(),
    () => {},
  );
  cleanups.push(() => port1.close());
  link.use(port1);
  await lost.done;
  expect(lost.failure).toBe('the thread ended');
  const owner = new Collector();
  link.open(options('gzip'), owner)!.end();
  await owner.done;
  expect(owner.failure).toBeNull();
});

it('when a worker is gone, nothing of it stays', async () => {
  const { link, encoders, port1, closed } = linked();
  link.open(options('gzip'), new Collector())!.write(Buffer.from('x'), 0, 1);
  await until(() => encoders.count === 1);
  port1.close();
  await until(closed);
  expect(encoders.count).toBe(0);
});
