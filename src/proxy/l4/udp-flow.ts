import type { DatagramListening, PeerHandler, PeerSocket } from '../../io/datagram-network.js';
import { ORIGIN_BYTES } from '../../io/datagram-network.js';
import type { ListenerCounters } from '../counters.js';
import { countEvent } from '../listener-events.js';
import type { FlowTable } from './flow-table.js';

/** What a flow needs of an endpoint. */
export interface UdpEndpoint {
  /** The first one is used. */
  readonly addresses: readonly { readonly host: string; readonly port: number }[];
  connections: number;
  connectFailures: number;
  /** False from the moment on when checks say so. */
  readonly up: boolean;
}

export interface FlowModules {
  readonly table: FlowTable;
  readonly listening: DatagramListening;
  readonly counters: ListenerCounters;
  readonly nowMs: () => number;
  /** Answers for each datagram of the client, after which the flow ends; 0: it ends when nothing moves. */
  readonly answers: number;
  /** The first answer came, so many milliseconds after the flow began. */
  readonly onAnswer: (flow: UdpFlow, latencyMs: number) => void;
  /** The flow is to end. */
  readonly onOver: (flow: UdpFlow) => void;
  readonly onUnreachable: (flow: UdpFlow) => void;
}

/** One client, by address and port, and the endpoint that all its datagrams go to. */
export class UdpFlow implements PeerHandler {
  readonly slot: number;
  /** Whose flows are counted together. */
  readonly source: string;
  readonly endpoint: UdpEndpoint;
  /** In front of each datagram; empty for none. */
  readonly #header: Uint8Array;
  readonly #modules: FlowModules;
  #socket: PeerSocket | null = null;
  #answered = false;
  readonly #beganMs: number;
  #expected = 0;

  constructor(
    slot: number,
    source: string,
    to: { readonly endpoint: UdpEndpoint; readonly header: Uint8Array },
    modules: FlowModules,
  ) {
    this.slot = slot;
    this.source = source;
    this.endpoint = to.endpoint;
    this.#header = to.header;
    this.#modules = modules;
    this.#beganMs = modules.nowMs();
  }

  open(socket: PeerSocket): void {
    this.#socket = socket;
  }

  close(): void {
    this.#socket?.close();
    this.#socket = null;
  }

  /** Sends a datagram of the client on; the header goes into the room in front of it. */
  forward(bytes: Uint8Array, start: number, end: number): void {
    const { table, counters, nowMs, answers } = this.#modules;
    table.touch(this.slot, nowMs());
    if (this.#answered) table.assure(this.slot);
    this.#expected += answers;
    const header = this.#header;
    const from = start - header.length;
    for (let i = 0; i < header.length; i++) bytes[from + i] = header[i]!;
    counters.bytesIn += end - start;
    if (this.#socket?.send(bytes, from, end)) countEvent(counters.events, 'datagrams_in');
    else countEvent(counters.events, 'dropped_send');
  }

  onDatagram(bytes: Uint8Array, start: number, end: number): void {
    const { table, listening, counters, nowMs, answers } = this.#modules;
    const now = nowMs();
    table.touch(this.slot, now);
    if (!this.#answered) this.#modules.onAnswer(this, now - this.#beganMs);
    this.#answered = true;
    listening.send(bytes, start, end, table.origins, this.slot * ORIGIN_BYTES);
    counters.bytesOut += end - start;
    countEvent(counters.events, 'datagrams_out');
    if (answers > 0 && --this.#expected <= 0) this.#modules.onOver(this);
  }

  onUnreachable(): void {
    this.#modules.onUnreachable(this);
  }
}
