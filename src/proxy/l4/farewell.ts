import { type Alert, alertRecord } from '../../core/tls/alert.js';
import type { Connection, ConnectionHandler } from '../../io/network.js';
import { NO_SLOT } from '../../io/roster.js';
import type { Deadlines, Timed } from '../deadlines.js';

/** How long the client may take to close after our end, milliseconds. */
const LINGER_MS = 1000;
/** What it may still send meanwhile, bytes. */
const UNREAD_MAX = 65_536;

export interface FarewellModules {
  readonly deadlines: Pick<Deadlines, 'nowMs' | 'add' | 'delete'>;
  readonly onGone: (connection: Connection) => void;
}

/**
 * Tells a TLS client by an alert why its connection ends. What it still sends is thrown away for a moment: a socket that
 * is closed with unread bytes sends a reset, which may overtake the alert.
 */
export class Farewell implements ConnectionHandler, Timed {
  deadlineSlot = NO_SLOT;
  readonly deadlineMs: number;
  readonly #connection: Connection;
  readonly #modules: FarewellModules;
  #left = UNREAD_MAX;

  /** Becomes the handler of `connection`. */
  constructor(connection: Connection, alert: Alert, modules: FarewellModules) {
    this.#connection = connection;
    this.#modules = modules;
    this.deadlineMs = modules.deadlines.nowMs + LINGER_MS;
    modules.deadlines.add(this);
    connection.handler = this;
    const record = alertRecord(alert);
    connection.write(record, 0, record.length);
    connection.end();
    connection.resume();
  }

  onOpen(): void {}

  onDrain(): void {}

  onData(connection: Connection, _bytes: Uint8Array, start: number, end: number): void {
    this.#left -= end - start;
    if (this.#left < 0) connection.destroy();
  }

  onEnd(connection: Connection): void {
    connection.destroy();
  }

  onClose(connection: Connection): void {
    this.#modules.deadlines.delete(this);
    this.#modules.onGone(connection);
  }

  onDeadline(): void {
    this.#connection.destroy();
  }
}
