import { type BusEvent, EVENT_TYPES, type EventBus, type EventType } from '../control/event-bus.js';
import { nearest } from '../sources/schema-problems.js';
import { EventReaders, type EventSink } from './event-readers.js';

export const READERS_MAX = 64;

const TYPES = Object.keys(EVENT_TYPES) as EventType[];
/** `health`, `zones` …: what stands before the dot. */
const GROUPS: readonly string[] = [...new Set(TYPES.map((type) => type.split('.')[0]!))];

/** The bus as server-sent events (HTML Living Standard §9.2), for many readers, each with the types that it wants. */
export class BusStream {
  readonly #bus: EventBus;
  readonly #readers = new EventReaders<ReadonlySet<EventType>>(READERS_MAX);
  readonly #unsubscribe: () => void;

  constructor(bus: EventBus) {
    this.#bus = bus;
    this.#unsubscribe = bus.listen((event) => this.#send(event));
  }

  /**
   * Adds a reader and gives it what it missed since event `lastId`, as far as it is kept; `event: missed` says that some
   * of it is not. Returns how to end it; undefined where there are too many readers.
   */
  add(sink: EventSink, types: ReadonlySet<EventType>, lastId?: number): (() => void) | undefined {
    const isAdded = this.#readers.add(sink, types, this.#missed(types, lastId));
    return isAdded ? () => this.#readers.remove(sink) : undefined;
  }

  /** Keeps connections open that nothing happens on. */
  beat(): void {
    this.#readers.beat();
  }

  close(): void {
    this.#unsubscribe();
    this.#readers.close();
  }

  get isFull(): boolean {
    return this.#readers.isFull;
  }

  *#missed(types: ReadonlySet<EventType>, lastId: number | undefined): Generator<string> {
    if (lastId === undefined) return;
    const { events, complete } = this.#bus.since(lastId);
    if (!complete) yield `event: missed\ndata: {"since":${lastId}}\n\n`;
    for (const event of events) if (types.has(event.type)) yield textOf(event);
  }

  #send(event: BusEvent): void {
    if (this.#readers.size === 0) return;
    this.#readers.send(textOf(event), (types) => types.has(event.type));
  }
}

/** The types that a text such as `health,zones.loaded` names, all where it is absent; or what is wrong with it. */
export function typesOf(text: string | undefined): ReadonlySet<EventType> | { readonly mistake: string } {
  if (text === undefined) return new Set(TYPES);
  const wanted = new Set<EventType>();
  for (const name of text.split(',').map((part) => part.trim())) {
    const fitting = TYPES.filter((type) => type === name || type.startsWith(`${name}.`));
    if (fitting.length === 0 || name === '') return { mistake: unknownType(name) };
    for (const type of fitting) wanted.add(type);
  }
  return wanted;
}

function unknownType(name: string): string {
  const near = nearest(name, [...TYPES, ...GROUPS]);
  const hint = near === undefined ? '' : `; did you mean ${near}?`;
  return `${JSON.stringify(name)} is no type of events${hint} Allowed: ${[...GROUPS, ...TYPES].join(', ')}`;
}

function textOf({ id, type, at, data }: BusEvent): string {
  return `id: ${id}\nevent: ${type}\ndata: ${JSON.stringify({ type, at, data })}\n\n`;
}
