/** The part of a response that is used. */
export interface EventSink {
  /** Bytes that wait to be sent. */
  readonly writableLength: number;
  write(text: string): unknown;
  end(): unknown;
}

const WAITING_BYTES_MAX = 256 * 1024;

/**
 * Who reads a stream of server-sent events (HTML Living Standard §9.2), each with what it asked for. A reader that is too
 * slow is cut off, and comes back by itself.
 */
export class EventReaders<T> {
  readonly #max: number;
  readonly #wishes = new Map<EventSink, T>();

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#wishes.size;
  }

  get isFull(): boolean {
    return this.#wishes.size >= this.#max;
  }

  /** False where there are too many. `missed` is sent before all that is sent to all. */
  add(sink: EventSink, wish: T, missed: Iterable<string>): boolean {
    if (this.isFull) return false;
    sink.write('retry: 2000\n\n');
    for (const text of missed) sink.write(text);
    this.#wishes.set(sink, wish);
    return true;
  }

  remove(sink: EventSink): void {
    this.#wishes.delete(sink);
  }

  send(text: string, isWanted: (wish: T) => boolean = () => true): void {
    for (const [sink, wish] of this.#wishes) if (isWanted(wish)) this.#write(sink, text);
  }

  /** Keeps connections open that nothing happens on. */
  beat(): void {
    this.send(':\n\n');
  }

  close(): void {
    for (const sink of this.#wishes.keys()) sink.end();
    this.#wishes.clear();
  }

  #write(sink: EventSink, text: string): void {
    if (sink.writableLength <= WAITING_BYTES_MAX) {
      sink.write(text);
      return;
    }
    this.#wishes.delete(sink);
    sink.end();
  }
}
