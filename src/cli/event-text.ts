/** Server-sent events (HTML Living Standard §9.2.6), read from a text that comes in pieces. */

export interface ServerEvent {
  readonly id?: string;
  /** `message` where none is named. */
  readonly type: string;
  readonly data: string;
}

/** An event larger than this is none of this server's. */
const WAITING_CHARS_MAX = 4 * 1024 * 1024;

export class EventReader {
  #rest = '';
  #id: string | undefined;
  #type = '';
  #data: string[] = [];
  #size = 0;
  #retryMs: number | undefined;

  /** How long to wait before coming back, as the server wants it. */
  get retryMs(): number | undefined {
    return this.#retryMs;
  }

  /** The events that a further piece makes whole; undefined where it can't be a stream of events. */
  read(piece: string): readonly ServerEvent[] | undefined {
    const events: ServerEvent[] = [];
    const lines = (this.#rest + piece).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line !== '') {
        this.#field(line);
        this.#size += line.length;
        continue;
      }
      if (this.#data.length > 0) events.push(this.#event());
      [this.#type, this.#data, this.#size] = ['', [], 0];
    }
    return this.#size + this.#rest.length > WAITING_CHARS_MAX ? undefined : events;
  }

  #event(): ServerEvent {
    const data = this.#data.join('\n');
    const type = this.#type === '' ? 'message' : this.#type;
    return this.#id === undefined ? { type, data } : { id: this.#id, type, data };
  }

  #field(line: string): void {
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'data') this.#data.push(value);
    else if (name === 'event') this.#type = value;
    else if (name === 'id' && !value.includes('\0')) this.#id = value;
    else if (name === 'retry' && /^\d{1,6}$/.test(value)) this.#retryMs = Number(value);
  }
}
