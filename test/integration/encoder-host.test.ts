import { existsSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { EncoderOwner } from '../../src/proxy/compression/encoder.js';
import { EncoderLink } from '../../src/proxy/compression/encoder-link.js';
import { QUIET, waitFor } from './proxy-rig.js';

const FILE = join(import.meta.dirname, '../../dist/proxy/compression/encoder-host.js');
const isBuilt = existsSync(FILE);
const { EncoderHost } = isBuilt
  ? ((await import(pathToFileURL(FILE).href)) as typeof import('../../src/proxy/compression/encoder-host.js'))
  : { EncoderHost: null as never };

class Body implements EncoderOwner {
  readonly chunks: Uint8Array[] = [];
  end: string | null = null;
  onEncoded(bytes: Uint8Array): void {
    this.chunks.push(bytes);
  }
  onEncoderRoom(): void {}
  onEncoderEnd(): void {
    this.end = 'whole';
  }
  onEncoderFailure(message: string): void {
    this.end = message;
  }
}

const OPTIONS = { coding: 'gzip', effort: 'low', prompt: true } as const;

describe.skipIf(!isBuilt)('the thread that compresses', () => {
  it('starts when it is wanted, and is replaced when it dies; what it had in its hands fails', async () => {
    // What wakes a worker is written to; here nobody sleeps.
    const nobody = openSync('/dev/null', 'r+');
    const host = new EncoderHost({
      log: QUIET,
      timers: { set: (callback: () => void) => setImmediate(callback), clear: () => {} },
      copyDescriptor: () => openSync('/dev/null', 'r+'),
      onLost: () => {
        const { port1, port2 } = host.channel();
        link.use(port1);
        host.add(0, port2, nobody);
      },
    });
    const { port1, port2 } = host.channel();
    const link = new EncoderLink(port1);
    host.add(0, port2, nobody);
    const early = new Body();
    const encoder = link.open(OPTIONS, early)!;
    encoder.write(Buffer.from('before'), 0, 6);
    host.want();
    const arrives = (body: Body): boolean => {
      link.receive();
      return body.chunks.length > 0;
    };
    await waitFor(() => arrives(early), 'what was sent before there was a thread');
    // No message of ours is like this one.
    port1.postMessage(null);
    await waitFor(() => early.end !== null, 'the body to fail');
    expect(early.end).toBe('the thread ended');
    const late = new Body();
    const next = link.open(OPTIONS, late)!;
    next.write(Buffer.from('after'), 0, 5);
    next.end();
    await waitFor(() => {
      link.receive();
      return late.end !== null;
    }, 'the next body');
    expect(late.end).toBe('whole');
    expect(gunzipSync(Buffer.concat(late.chunks)).toString()).toBe('after');
    await host.close();
  });
});
