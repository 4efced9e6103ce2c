import type { StreamConnection } from '../io/tier.js';

/** What is known of one connection that brings queries. */
export class Conversation {
  readonly connection: StreamConnection;
  readonly client: string;
  readonly openedMs: number;
  lastQueryMs: number;
  queries = 0;
  /** The beginning of a message whose rest has not come yet; grown as needed. */
  pending: Uint8Array = NOTHING;
  filled = 0;
  /** Kept for `Conversations`. */
  older: Conversation | null = null;
  newer: Conversation | null = null;

  constructor(connection: StreamConnection, client: string, nowMs: number) {
    this.connection = connection;
    this.client = client;
    this.openedMs = nowMs;
    this.lastQueryMs = nowMs;
  }
}

const NOTHING = new Uint8Array(0);

/**
 * The conversations in progress, the oldest first. They are their own list: the tables that a `Map` leaves behind keep closed
 * connections alive for long (see io/roster.ts), and so would a neighbour that one who left still knows.
 */
export class Conversations {
  #oldest: Conversation | null = null;
  #newest: Conversation | null = null;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(conversation: Conversation): void {
    conversation.older = this.#newest;
    if (this.#newest === null) this.#oldest = conversation;
    else this.#newest.newer = conversation;
    this.#newest = conversation;
    this.#size++;
  }

  /** It has to be one of these. */
  remove(conversation: Conversation): void {
    const { older, newer } = conversation;
    if (older === null) this.#oldest = newer;
    else older.newer = newer;
    if (newer === null) this.#newest = older;
    else newer.older = older;
    conversation.older = null;
    conversation.newer = null;
    this.#size--;
  }

  /** The one at hand may be removed meanwhile. */
  *[Symbol.iterator](): IterableIterator<Conversation> {
    for (let at = this.#oldest; at !== null; ) {
      const next: Conversation | null = at.newer;
      yield at;
      at = next;
    }
  }
}
