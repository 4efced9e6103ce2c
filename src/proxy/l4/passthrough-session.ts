import type { ProxyTimeouts } from '../../core/balance/model.js';
import { type ProxyTlv, TLV_TYPE } from '../../core/proxy-protocol/write-v2.js';
import type { Alert } from '../../core/tls/alert.js';
import {
  type ClientHello,
  HELLO_WIRE_MAX,
  type HelloRefusal,
  readClientHello,
} from '../../core/tls/client-hello.js';
import type { NameRoutes } from '../../core/tls/name-routes.js';
import type { Connection, Network } from '../../io/network.js';
import { NO_SLOT } from '../../io/roster.js';
import type { ListenerCounters } from '../counters.js';
import type { Deadlines, Timed } from '../deadlines.js';
import { countEvent, type ListenerEvent } from '../listener-events.js';
import type { ClientFacts } from '../proxy-header.js';
import type { Session } from '../proxy-listener.js';
import type { UpstreamPool } from '../upstream-pool.js';
import { Farewell } from './farewell.js';
import { TcpSession } from './tcp-session.js';

export interface PassthroughModules {
  readonly network: Network;
  readonly deadlines: Deadlines;
  readonly timeouts: ProxyTimeouts;
  readonly counters: ListenerCounters;
  readonly routes: NameRoutes<UpstreamPool>;
  /** For clients that ask for no name, or for one without a route; null to refuse them. */
  readonly fallback: UpstreamPool | null;
  readonly onClosed: (session: Session) => void;
}

const REFUSAL: Record<HelloRefusal, { readonly event: ListenerEvent; readonly alert: Alert | null }> = {
  // Who does not speak TLS would not understand an alert.
  not_tls: { event: 'hello_not_tls', alert: null },
  too_long: { event: 'hello_too_long', alert: 'decode_error' },
  malformed: { event: 'hello_malformed', alert: 'decode_error' },
};

/**
 * One TLS client whose TLS is not ended here: reads its ClientHello, and joins it with an endpoint of the pool that its
 * server name leads to. Who gets nowhere is told by an alert.
 */
export class PassthroughSession implements Session, Timed {
  deadlineSlot = NO_SLOT;
  sessionSlot = NO_SLOT;
  readonly deadlineMs: number;
  readonly #client: Connection;
  /** As a PROXY header said; null: the ends of the connection. */
  readonly #facts: ClientFacts | null;
  readonly #modules: PassthroughModules;
  #first: Uint8Array = NOTHING;
  #session: TcpSession | null = null;
  #over = false;

  constructor(client: Connection, facts: ClientFacts | null, modules: PassthroughModules) {
    this.#client = client;
    this.#facts = facts;
    this.#modules = modules;
    this.deadlineMs = modules.deadlines.nowMs + modules.timeouts.headerMs;
    modules.deadlines.add(this);
  }

  /** A session ends when its two sides say so; until then it goes on. */
  drain(): void {}

  destroy(): void {
    if (this.#session === null) this.#client.destroy();
    else this.#session.destroy();
  }

  onOpen(): void {}

  onDrain(): void {}

  onData(_client: Connection, bytes: Uint8Array, start: number, end: number): void {
    if (this.#over) return;
    this.#keep(bytes, start, end);
    const first = this.#first;
    const hello = readClientHello(first, 0, first.length);
    if (hello === null) {
      // Records end within this; a client that is still not done sends nonsense.
      if (first.length > HELLO_WIRE_MAX) this.#refuseHello('too_long');
    } else if (typeof hello === 'string') this.#refuseHello(hello);
    else this.#lead(hello);
  }

  onEnd(): void {
    if (!this.#over) this.#refuseHello('malformed');
  }

  onClose(): void {
    this.#modules.deadlines.delete(this);
    this.#modules.onClosed(this);
  }

  /** No alert: a client that says nothing need not speak TLS. */
  onDeadline(): void {
    this.#refuse('hello_late', null);
  }

  #keep(bytes: Uint8Array, start: number, end: number): void {
    const first = new Uint8Array(this.#first.length + end - start);
    first.set(this.#first);
    first.set(bytes.subarray(start, end), this.#first.length);
    this.#first = first;
  }

  #lead(hello: ClientHello): void {
    const { routes, fallback, deadlines } = this.#modules;
    const name = hello.serverName;
    const pool = (name === null ? undefined : routes.find(name)) ?? fallback;
    if (pool === null) {
      if (name === null) this.#refuse('hello_no_name', 'missing_extension');
      else this.#refuse('hello_unknown_name', 'unrecognized_name');
      return;
    }
    this.#over = true;
    deadlines.delete(this);
    const opening = {
      version: pool.model.proxyProtocol ?? null,
      tlvs: tlvsOf(hello),
      client: this.#facts,
      first: this.#first,
    };
    this.#first = NOTHING;
    const { network, timeouts, counters } = this.#modules;
    this.#session = new TcpSession(this.#client, {
      network,
      pool,
      timeouts,
      deadlines,
      counters,
      opening,
      onNoEndpoint: () => this.#sayFarewell('internal_error'),
      onClosed: () => this.#modules.onClosed(this),
    });
  }

  #refuseHello(why: HelloRefusal): void {
    const { event, alert } = REFUSAL[why];
    this.#refuse(event, alert);
  }

  #refuse(event: ListenerEvent, alert: Alert | null): void {
    this.#over = true;
    this.#first = NOTHING;
    this.#modules.deadlines.delete(this);
    countEvent(this.#modules.counters.events, event);
    if (alert === null) this.#client.destroy();
    else this.#sayFarewell(alert);
  }

  #sayFarewell(alert: Alert): void {
    const { deadlines, onClosed } = this.#modules;
    new Farewell(this.#client, alert, { deadlines, onGone: () => onClosed(this) });
  }
}

const NOTHING = new Uint8Array(0);

/** What the endpoint would like to know, though it can read it in the ClientHello too. */
function tlvsOf({ serverName }: ClientHello): readonly ProxyTlv[] {
  if (serverName === null) return [];
  const value = Uint8Array.from(serverName, (letter) => letter.charCodeAt(0));
  return [{ type: TLV_TYPE.AUTHORITY, value }];
}
