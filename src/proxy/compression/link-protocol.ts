import type { EncoderOptions } from './encoder.js';

/** From a worker to the thread that compresses. Bodies are told apart by `id`, which is used once in the life of a port. */
export type ToEncoderThread =
  | ({ readonly type: 'open'; readonly id: number } & EncoderOptions)
  | { readonly type: 'data'; readonly id: number; readonly bytes: Uint8Array }
  | { readonly type: 'end'; readonly id: number }
  /** So many bytes that came back were used. */
  | { readonly type: 'taken'; readonly id: number; readonly count: number }
  | { readonly type: 'cancel'; readonly id: number };

export type FromEncoderThread =
  | { readonly type: 'data'; readonly id: number; readonly bytes: Uint8Array }
  | { readonly type: 'taken'; readonly id: number; readonly count: number }
  | { readonly type: 'end'; readonly id: number }
  | { readonly type: 'failed'; readonly id: number; readonly message: string };

/** A new worker for the thread that compresses. */
export interface EncoderClient {
  readonly port: import('node:worker_threads').MessagePort;
  /** The thread's own descriptor of the eventfd that wakes the worker; it closes it. */
  readonly wakeFd: number;
}

/** Bytes of one body on their way in either direction before its sender waits. */
export const LINK_BYTES_MAX = 128 * 1024;
