import type { EntryPlace, EntryStore } from './entry-store.js';
import { isStoreFailure, type StoreFailure } from './store-failure.js';

/** Entries that are gone with the process: for nodes without a state folder, and for tests. */
export class MemoryEntries implements EntryStore {
  #entries: Buffer[] = [];
  /** In place of the next writes: what a disk says that is full. */
  failure: StoreFailure | undefined;

  get bytes(): number {
    return this.#entries.reduce((sum, { length }) => sum + length, 0);
  }

  get payloads(): readonly Buffer[] {
    return this.#entries;
  }

  async append(payloads: readonly Uint8Array[]): Promise<readonly EntryPlace[] | StoreFailure> {
    if (this.failure) return this.failure;
    return payloads.map((payload) => {
      this.#entries.push(Buffer.from(payload));
      return { offset: this.#entries.length - 1, bytes: payload.length };
    });
  }

  read({ offset }: EntryPlace): Buffer | StoreFailure {
    return this.#entries[offset] ?? { code: 'storage_io', detail: `there is no entry ${offset}` };
  }

  async rewrite(
    payloads: Iterable<Uint8Array | StoreFailure>,
  ): Promise<readonly EntryPlace[] | StoreFailure> {
    if (this.failure) return this.failure;
    const entries: Buffer[] = [];
    for (const payload of payloads) {
      if (isStoreFailure(payload)) return payload;
      entries.push(Buffer.from(payload));
    }
    this.#entries = entries;
    return entries.map(({ length }, offset) => ({ offset, bytes: length }));
  }

  async close(): Promise<void> {}
}
