import { EventReaders, type EventSink } from './event-readers.js';

export const STREAMS_MAX = 32;
const KEPT_MAX = 256;

/**
 * Server-sent events (HTML Living Standard §9.2): one stream of text to many readers. Each event has a number; who
 * comes back with the last one that it saw (`Last-Event-ID`) gets those it missed, as far as they are kept.
 */
export class EventStream {
  readonly #readers = new EventReaders<void>(STREAMS_MAX);
  readonly #kept: { readonly id: number; readonly text: string }[] = [];
  #id: number;

  /** `firstId`: another at each start, so that numbers of an earlier one are known as such. */
  constructor(firstId: number) {
    this.#id = firstId;
  }

  /** Sends an event to all. */
  send(name: string, data: unknown): void {
    const id = ++this.#id;
    const text = `id: ${id}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
    this.#kept.push({ id, text });
    if (this.#kept.length > KEPT_MAX) this.#kept.shift();
    this.#readers.send(text);
  }

  /** Keeps connections open that nothing happens on. */
  beat(): void {
    this.#readers.beat();
  }

  /** Adds a reader; false where there are too many. `lastId`: the last event that it saw. */
  add(sink: EventSink, lastId?: number): boolean {
    const [first] = this.#kept;
    const isKnown = lastId !== undefined && first !== undefined && lastId >= first.id - 1;
    const missed = isKnown ? this.#kept.filter(({ id }) => id > lastId) : [];
    return this.#readers.add(
      sink,
      undefined,
      missed.map(({ text }) => text),
    );
  }

  remove(sink: EventSink): void {
    this.#readers.remove(sink);
  }

  close(): void {
    this.#readers.close();
  }

  get size(): number {
    return this.#readers.size;
  }
}
