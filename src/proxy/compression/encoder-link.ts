import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import type { ContentCoding } from '../../core/http/accept-encoding.js';
import {
  copyOf,
  ENCODERS_MAX,
  type Encoder,
  type EncoderOptions,
  type EncoderOwner,
  type Encoders,
} from './encoder.js';
import { type FromEncoderThread, LINK_BYTES_MAX, type ToEncoderThread } from './link-protocol.js';
import { codingsOfNode } from './zlib-encoders.js';

/** Encoders in another thread, for a thread that runs no event loop of node: call `receive` whenever it is woken. */
export class EncoderLink implements Encoders {
  readonly codings: ReadonlySet<ContentCoding> = codingsOfNode();
  #port: MessagePort;
  readonly #max: number;
  readonly #open = new Map<number, LinkedEncoder>();
  #lastId = 0;

  constructor(port: MessagePort, max: number = ENCODERS_MAX) {
    this.#port = port;
    this.#max = max;
  }

  open(options: EncoderOptions, owner: EncoderOwner): Encoder | null {
    if (this.#open.size >= this.#max) return null;
    const id = ++this.#lastId;
    const encoder = new LinkedEncoder(id, this.#port, owner, () => this.#open.delete(id));
    this.#open.set(id, encoder);
    this.#port.postMessage({ type: 'open', id, ...options } satisfies ToEncoderThread);
    return encoder;
  }

  /** Takes what came. */
  receive(): void {
    const port = this.#port;
    for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port)) {
      const message = next.message as FromEncoderThread;
      this.#open.get(message.id)?.hear(message);
    }
  }

  /** The thread was replaced by another one: what it had in its hands is lost. */
  use(port: MessagePort): void {
    this.#port.close();
    this.#port = port;
    const lost = [...this.#open.values()];
    for (const encoder of lost) encoder.hear({ type: 'failed', id: 0, message: 'the thread ended' });
  }
}

class LinkedEncoder implements Encoder {
  readonly #id: number;
  readonly #port: MessagePort;
  readonly #onClosed: () => void;
  #owner: EncoderOwner | null;
  /** Bytes that the thread has not taken yet. */
  #onTheirWay = 0;
  #full = false;
  #paused = false;
  /** Bytes that came while the owner had no use for them. */
  #untold = 0;

  constructor(id: number, port: MessagePort, owner: EncoderOwner, onClosed: () => void) {
    this.#id = id;
    this.#port = port;
    this.#owner = owner;
    this.#onClosed = onClosed;
  }

  write(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#owner === null) return true;
    const copy = copyOf(bytes, start, end);
    this.#onTheirWay += copy.length;
    this.#full = this.#onTheirWay >= LINK_BYTES_MAX;
    this.#send({ type: 'data', id: this.#id, bytes: copy }, copy);
    return !this.#full;
  }

  end(): void {
    if (this.#owner !== null) this.#send({ type: 'end', id: this.#id });
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    if (this.#untold === 0) return;
    this.#send({ type: 'taken', id: this.#id, count: this.#untold });
    this.#untold = 0;
  }

  cancel(): void {
    if (this.#close() !== null) this.#send({ type: 'cancel', id: this.#id });
  }

  hear(message: FromEncoderThread): void {
    switch (message.type) {
      case 'data':
        this.#untold += message.bytes.length;
        this.#owner?.onEncoded(message.bytes);
        if (!this.#paused && this.#owner !== null) this.resume();
        break;
      case 'taken':
        this.#onTheirWay -= message.count;
        if (!this.#full || this.#onTheirWay > LINK_BYTES_MAX / 2) break;
        this.#full = false;
        this.#owner?.onEncoderRoom();
        break;
      case 'end':
        this.#close()?.onEncoderEnd();
        break;
      case 'failed':
        this.#close()?.onEncoderFailure(message.message);
        break;
    }
  }

  #close(): EncoderOwner | null {
    const owner = this.#owner;
    this.#owner = null;
    this.#onClosed();
    return owner;
  }

  #send(message: ToEncoderThread, bytes?: Uint8Array<ArrayBuffer>): void {
    this.#port.postMessage(message, bytes === undefined ? [] : [bytes.buffer]);
  }
}
