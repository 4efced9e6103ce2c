/**
 * Server-sent events (HTML Living Standard §9.2): one stream of text to many readers. Each event has a number; who
 * comes back with the last one that it saw (`Last-Event-ID`) gets those it missed, as far as they are kept. A reader
 * that is too slow is cut off, and comes back by itself.
 */

/** The part of a response that is used. */
export interface EventSink {
  /** Bytes that wait to be sent. */
  readonly writableLength: number;
  write(text: string): unknown;
  end(): unknown;
}

export const STREAMS_MAX = 32;
const KEPT_MAX = 256;
const WAITING_BYTES_MAX = 256 * 1024;

export class EventStream {
  readonly #sinks = new Set<EventSink>();
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
    for (const sink of this.#sinks) this.#write(sink, text);
  }

  /** Keeps connections open that nothing happens on. */
  beat(): void {
    for (const sink of this.#sinks) this.#write(sink, ':\n\n');
  }

  /** Adds a reader; false where there are too many. `lastId`: the last event that it saw. */
  add(sink: EventSink, lastId?: number): boolean {
    if (this.#sinks.size >= STREAMS_MAX) return false;
    sink.write('retry: 2000\n\n');
    const [first] = this.#kept;
    if (lastId !== undefined && first && lastId >= first.id - 1) {
      for (const { id, text } of this.#kept) if (id > lastId) sink.write(text);
    }
    this.#sinks.add(sink);
    return true;
  }

  remove(sink: EventSink): void {
    this.#sinks.delete(sink);
  }

  close(): void {
    for (const sink of this.#sinks) sink.end();
    this.#sinks.clear();
  }

  get size(): number {
    return this.#sinks.size;
  }

  #write(sink: EventSink, text: string): void {
    if (sink.writableLength <= WAITING_BYTES_MAX) {
      sink.write(text);
      return;
    }
    this.#sinks.delete(sink);
    sink.end();
  }
}
