import type { MessagePort } from 'node:worker_threads';
import { copyOf, ENCODERS_MAX, type Encoder, type EncoderOptions, type Encoders } from './encoder.js';
import { type FromEncoderThread, LINK_BYTES_MAX, type ToEncoderThread } from './link-protocol.js';
import { ZlibEncoders } from './zlib-encoders.js';

/**
 * The other end of an `EncoderLink`: compresses what one worker sends. `wake` is called after something was sent, once
 * for all that comes in one turn of the event loop; `onClosed` when the worker is gone.
 */
export function serveEncoders(
  port: MessagePort,
  wake: () => void,
  onClosed: () => void,
  // Twice as many: what the worker has cancelled may not be gone yet.
  encoders: Encoders = new ZlibEncoders(2 * ENCODERS_MAX),
): void {
  const open = new Map<number, Desk>();
  let waking = false;
  const send = (message: FromEncoderThread): void => {
    port.postMessage(message, 'bytes' in message ? [message.bytes.buffer as ArrayBuffer] : []);
    if (waking) return;
    waking = true;
    setImmediate(() => {
      waking = false;
      wake();
    });
  };
  port.on('message', (message: ToEncoderThread) => {
    if (message.type === 'open') {
      const desk = Desk.open(message, encoders, send, () => open.delete(message.id));
      if (desk === null) send({ type: 'failed', id: message.id, message: 'there is no room' });
      else open.set(message.id, desk);
    } else open.get(message.id)?.hear(message);
  });
  port.on('close', () => {
    for (const desk of open.values()) desk.hear({ type: 'cancel', id: 0 });
    open.clear();
    onClosed();
  });
}

type Send = (message: FromEncoderThread) => void;

/** One body. */
class Desk {
  readonly #encoder: Encoder;
  readonly #id: number;
  readonly #send: Send;
  readonly #onClosed: () => void;
  /** Taken from the worker, while the encoder is full. */
  #held = 0;
  /** Sent to the worker, and not used there yet. */
  #onTheirWay = 0;

  static open(
    { id, coding, effort, prompt }: EncoderOptions & { readonly id: number },
    encoders: Encoders,
    send: Send,
    onClosed: () => void,
  ): Desk | null {
    let desk: Desk | null = null;
    const encoder = encoders.open(
      { coding, effort, prompt },
      {
        onEncoded: (bytes) => desk?.encoded(bytes),
        onEncoderRoom: () => desk?.room(),
        onEncoderEnd: () => desk?.finished({ type: 'end', id }),
        onEncoderFailure: (message) => desk?.finished({ type: 'failed', id, message }),
      },
    );
    if (encoder === null) return null;
    desk = new Desk(encoder, id, send, onClosed);
    return desk;
  }

  constructor(encoder: Encoder, id: number, send: Send, onClosed: () => void) {
    this.#encoder = encoder;
    this.#id = id;
    this.#send = send;
    this.#onClosed = onClosed;
  }

  hear(message: Exclude<ToEncoderThread, { type: 'open' }>): void {
    switch (message.type) {
      case 'data': {
        const { bytes } = message;
        this.#held += bytes.length;
        if (this.#encoder.write(bytes, 0, bytes.length)) this.room();
        break;
      }
      case 'end':
        this.#encoder.end();
        break;
      case 'taken':
        this.#onTheirWay -= message.count;
        if (this.#onTheirWay < LINK_BYTES_MAX) this.#encoder.resume();
        break;
      case 'cancel':
        this.#onClosed();
        this.#encoder.cancel();
        break;
    }
  }

  encoded(bytes: Uint8Array): void {
    this.#onTheirWay += bytes.length;
    if (this.#onTheirWay >= LINK_BYTES_MAX) this.#encoder.pause();
    // What zlib gives is a part of a larger buffer, all of which would be copied.
    this.#send({ type: 'data', id: this.#id, bytes: copyOf(bytes, 0, bytes.length) });
  }

  room(): void {
    if (this.#held === 0) return;
    this.#send({ type: 'taken', id: this.#id, count: this.#held });
    this.#held = 0;
  }

  finished(message: FromEncoderThread): void {
    this.#onClosed();
    this.#send(message);
  }
}
