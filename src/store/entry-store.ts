import type { StoreFailure } from './store-failure.js';

/** Where an entry is; valid until the next `rewrite`. */
export interface EntryPlace {
  readonly offset: number;
  /** Of the payload. */
  readonly bytes: number;
}

/** An append-only list of entries, each a run of bytes. */
export interface EntryStore {
  /** Bytes that the entries take, with all that is around them. */
  readonly bytes: number;
  /** Why nothing can be added now, or could not be the last time; undefined after one that was added. */
  readonly failure: StoreFailure | undefined;
  /** All of them or none; they are on the disk when it resolves. */
  append(payloads: readonly Uint8Array[]): Promise<readonly EntryPlace[] | StoreFailure>;
  /** What was appended. Waits for the disk: for control work only. */
  read(place: EntryPlace): Buffer | StoreFailure;
  /** Puts these in the place of all entries, in one step. They may be read from this store while it goes on. */
  rewrite(payloads: Iterable<Uint8Array | StoreFailure>): Promise<readonly EntryPlace[] | StoreFailure>;
  close(): Promise<void>;
}
