import { hashText, NO_KEY } from '../../core/balance/hash.js';
import { type Address, formatAddress, type ProxyLimits } from '../../core/balance/model.js';
import { formatIPv4, formatIPv6 } from '../../core/dns/rdata/address.js';
import { describeConnection } from '../../core/proxy-protocol/header.js';
import { createProxyHeader, PROXY_HEADER_MAX } from '../../core/proxy-protocol/v2.js';
import { writeProxyHeader } from '../../core/proxy-protocol/write-v2.js';
import { type DatagramListening, type DatagramNetwork, ORIGIN } from '../../io/datagram-network.js';
import { ListenError } from '../../io/tier.js';
import { ListenerCounters } from '../counters.js';
import { countEvent } from '../listener-events.js';
import { type ListenFailure, listenFailure } from '../listening.js';
import type { ServedListener } from '../proxy-listener.js';
import { FlowTable } from './flow-table.js';
import { type FlowModules, type UdpEndpoint, UdpFlow } from './udp-flow.js';

/** What the listener needs of a pool. */
export interface UdpPool {
  /** Not null: `pick` wants the hash of the client's address. */
  readonly keySource: unknown;
  pick(tried: readonly number[], key: number): UdpEndpoint | string;
  enter(endpoint: UdpEndpoint): void;
  leave(endpoint: UdpEndpoint): void;
  /** 200 for an answer, `latencyMs` after the flow began; 0 for an endpoint that is not there. */
  result(endpoint: UdpEndpoint, status: number, latencyMs: number): void;
  /** There may be room for those who wait. */
  serve(): void;
}

export interface UdpOptions {
  readonly listen: Address;
  /** Other threads listen on the same address too. */
  readonly shared: boolean;
  readonly pool: UdpPool;
  /** Each datagram gets a PROXY header of version 2 with the client's address. */
  readonly proxyProtocol: boolean;
  /** A flow without a datagram for so long ends. */
  readonly idleMs: number;
  /** Flows of one client: an IPv4 address, or a /64 of IPv6. */
  readonly flowsPerSource: number;
  /** Answers for each datagram of a client, after which its flow ends; 0: only idleness ends it. */
  readonly answers: number;
}

export interface UdpModules {
  readonly network: DatagramNetwork;
  /** `connections`: flows at once. */
  readonly limits: Pick<ProxyLimits, 'connections'>;
  /** Two words that nobody can guess. */
  readonly hashKeys: readonly [number, number];
}

/** An assured flow gives way only when nothing moved for so long: a client that rests, not one that waits. */
const ASSURED_REST_MS = 10_000;
const SWEEP_MS_MIN = 20;
const SWEEP_MS_MAX = 1000;
const NOTHING = new Uint8Array(0);

/**
 * One `protocol: udp` listener. Datagrams of one source address and port are a flow: it has one endpoint, and one socket
 * there, so that answers find their way. In a full table flows that never showed a live client give way first.
 */
export class UdpListener implements ServedListener {
  readonly counters: ListenerCounters;
  readonly #options: UdpOptions;
  readonly #network: DatagramNetwork;
  readonly #table: FlowTable;
  readonly #flows: (UdpFlow | undefined)[];
  readonly #bySource = new Map<string, number>();
  readonly #header = createProxyHeader();
  #listening: DatagramListening | null = null;
  #modules: FlowModules | null = null;
  #stopSweep: () => void = () => {};
  #draining = false;
  #onDrained: () => void = () => {};

  constructor(options: UdpOptions, modules: UdpModules) {
    this.#options = options;
    this.#network = modules.network;
    this.counters = new ListenerCounters(formatAddress(options.listen));
    this.#table = new FlowTable(modules.limits.connections, modules.hashKeys);
    this.#flows = Array.from({ length: modules.limits.connections });
  }

  async start(key: string): Promise<ListenFailure | null> {
    try {
      await this.#start();
      return null;
    } catch (error) {
      if (!(error instanceof ListenError)) throw error;
      return listenFailure(error.code, error.message, this.counters.listener, key);
    }
  }

  async #start(): Promise<void> {
    const { listen, shared, idleMs, answers } = this.#options;
    this.#listening = await this.#network.listen(listen, { shared }, (bytes, start, end, origin, at) =>
      this.#take(bytes, start, end, origin, at),
    );
    this.#modules = {
      ...{ table: this.#table, listening: this.#listening, counters: this.counters },
      ...{ nowMs: () => this.#network.nowMs, answers },
      onAnswer: (flow, latencyMs) => this.#options.pool.result(flow.endpoint, 200, latencyMs),
      onOver: (flow) => this.#end(flow),
      onUnreachable: (flow) => this.#lose(flow),
    };
    const periodMs = Math.min(Math.max(idleMs / 4, SWEEP_MS_MIN), SWEEP_MS_MAX);
    this.#stopSweep = this.#network.every(periodMs, () => this.#sweep());
  }

  get port(): number {
    return this.#listening?.address.port ?? 0;
  }

  /** Takes no new flows; calls back when the last one has ended by itself. */
  drain(onDrained: () => void): void {
    this.#draining = true;
    this.#onDrained = onDrained;
    this.#checkDrained();
  }

  destroy(): void {
    this.#stopSweep();
    this.#listening?.close();
    for (const flow of this.#flows) if (flow !== undefined) this.#end(flow);
  }

  #take(bytes: Uint8Array, start: number, end: number, origin: Uint8Array, at: number): void {
    const slot = this.#table.find(origin, at);
    let flow = slot < 0 ? undefined : this.#flows[slot];
    if (flow !== undefined && !flow.endpoint.up) {
      this.#end(flow);
      flow = undefined;
    }
    flow ??= this.#open(origin, at) ?? undefined;
    flow?.forward(bytes, start, end);
  }

  /** A flow for a client without one; null, and counted, if there can be none. */
  #open(origin: Uint8Array, at: number): UdpFlow | null {
    if (this.#draining || this.#modules === null) return null;
    const source = sourceOf(origin, at);
    const others = this.#bySource.get(source) ?? 0;
    if (others >= this.#options.flowsPerSource) return this.#drop('dropped_source');
    if (this.#table.size >= this.#table.capacity && !this.#makeRoom()) return this.#drop('dropped_full');
    const endpoint = this.#options.pool.pick(NONE_TRIED, this.#keyOf(origin, at));
    if (typeof endpoint === 'string') return this.#drop('dropped_no_endpoint');
    const slot = this.#table.add(origin, at, this.#network.nowMs);
    const header = this.#options.proxyProtocol ? this.#headerFor(origin, at) : NOTHING;
    const flow = new UdpFlow(slot, source, { endpoint, header }, this.#modules);
    const [address] = endpoint.addresses;
    const socket = address === undefined ? null : this.#network.connect(address, flow);
    if (socket === null) {
      this.#table.remove(slot);
      endpoint.connectFailures++;
      return this.#drop('dropped_no_endpoint');
    }
    flow.open(socket);
    this.#flows[slot] = flow;
    this.#bySource.set(source, others + 1);
    endpoint.connections++;
    this.#options.pool.enter(endpoint);
    this.counters.connections++;
    this.counters.active++;
    return flow;
  }

  /** As for a TCP client: the hash of its address in text. */
  #keyOf(origin: Uint8Array, at: number): number {
    if (this.#options.pool.keySource === null) return NO_KEY;
    const from = at + ORIGIN.SOURCE;
    return hashText(origin[at + ORIGIN.FAMILY] === 4 ? formatIPv4(origin, from) : formatIPv6(origin, from));
  }

  #drop(why: 'dropped_full' | 'dropped_source' | 'dropped_no_endpoint'): null {
    countEvent(this.counters.events, why);
    this.counters.refused++;
    return null;
  }

  #makeRoom(): boolean {
    let slot = this.#table.oldest('tentative');
    if (slot < 0) {
      slot = this.#table.oldest('assured');
      if (slot < 0 || this.#network.nowMs - this.#table.usedMs(slot) < ASSURED_REST_MS) return false;
    }
    countEvent(this.counters.events, 'flow_displaced');
    this.#end(this.#flows[slot]!);
    return true;
  }

  #sweep(): void {
    const before = this.#network.nowMs - this.#options.idleMs;
    for (const list of ['tentative', 'assured'] as const) {
      let slot = this.#table.oldest(list);
      while (slot >= 0 && this.#table.usedMs(slot) <= before) {
        countEvent(this.counters.events, 'flow_expired');
        this.#end(this.#flows[slot]!);
        slot = this.#table.oldest(list);
      }
    }
  }

  #lose(flow: UdpFlow): void {
    countEvent(this.counters.events, 'flow_unreachable');
    flow.endpoint.connectFailures++;
    this.#options.pool.result(flow.endpoint, 0, 0);
    this.#end(flow);
  }

  #end(flow: UdpFlow): void {
    if (this.#flows[flow.slot] !== flow) return;
    this.#flows[flow.slot] = undefined;
    this.#table.remove(flow.slot);
    flow.close();
    const others = (this.#bySource.get(flow.source) ?? 1) - 1;
    if (others === 0) this.#bySource.delete(flow.source);
    else this.#bySource.set(flow.source, others);
    flow.endpoint.connections--;
    this.#options.pool.leave(flow.endpoint);
    this.#options.pool.serve();
    this.counters.active--;
    this.#checkDrained();
  }

  #checkDrained(): void {
    if (!this.#draining || this.#table.size > 0) return;
    const done = this.#onDrained;
    this.#onDrained = () => {};
    done();
  }

  /** The same for all datagrams of the flow. */
  #headerFor(origin: Uint8Array, at: number): Uint8Array {
    const header = this.#header;
    const family = origin[at + ORIGIN.FAMILY] === 4 ? 4 : 6;
    const length = family === 4 ? 4 : 16;
    // The address that the listener has, unless it has all of them and the datagram said which.
    const here = this.#listening?.address ?? this.#options.listen;
    describeConnection(here, here, header);
    header.family = family;
    const there = at + ORIGIN.DESTINATION;
    for (let i = 0; i < length; i++) header.source[i] = origin[at + ORIGIN.SOURCE + i]!;
    if (origin.subarray(there, there + length).some((byte) => byte !== 0)) {
      for (let i = 0; i < length; i++) header.destination[i] = origin[there + i]!;
    }
    header.sourcePort = (origin[at + ORIGIN.PORT]! << 8) | origin[at + ORIGIN.PORT + 1]!;
    header.destinationPort = here.port;
    const bytes = new Uint8Array(PROXY_HEADER_MAX);
    return bytes.slice(0, writeProxyHeader(header, 'datagram', [], bytes, 0));
  }
}

const NONE_TRIED: readonly number[] = [];

/** An IPv4 address, or the first half of an IPv6 address, as a key. */
function sourceOf(origin: Uint8Array, at: number): string {
  const from = at + ORIGIN.SOURCE;
  const length = origin[at + ORIGIN.FAMILY] === 4 ? 4 : 8;
  let key = '';
  for (let i = from; i < from + length; i += 2)
    key += String.fromCharCode((origin[i]! << 8) | origin[i + 1]!);
  return key;
}
