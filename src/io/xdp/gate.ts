import { readdirSync, readFileSync } from 'node:fs';
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import { addressBytes } from '../address.js';
import type { Linux } from '../batched/linux.js';
import { isWildcard } from '../batched/socket.js';
import type { SocketAddress } from '../tier.js';
import { ATTACH, Bpf, MAP, XdpError } from './bpf.js';
import { DESTINATION_BYTES, redirectProgram } from './bpf-program.js';
import { closeQueue, DATAGRAM_MAX, openQueue, type XdpQueue } from './queue.js';

export type XdpMode = 'auto' | 'native' | 'generic';

export interface XdpOptions {
  readonly interface: string;
  readonly mode: XdpMode;
  /** Largest answer, bytes. */
  readonly datagramMax: number;
}

/** Addresses that datagrams may be for. */
const DESTINATIONS_MAX = 4096;
const QUEUES_MAX = 256;
/** Of an IPv6 answer, before its payload and without the Ethernet header. */
const HEADERS_BYTES = 48;
const ZERO_KEY = new Uint8Array(4);

/**
 * An interface whose DNS datagrams come here before the kernel looks at them: the program that takes them out, and a socket for each
 * receive queue. As long as nobody serves a queue its datagrams take the usual way, to the UDP sockets.
 */
export class XdpGate {
  readonly name: string;
  readonly queues: readonly XdpQueue[];
  readonly #linux: Linux;
  readonly #bpf: Bpf;
  readonly #maps: { readonly sockets: number; readonly destinations: number; readonly dropped: number };
  /** Program and link. */
  readonly #descriptors: readonly number[];
  #destinations = new Map<string, Uint8Array>();

  /** Throws XdpError. */
  static open(linux: Linux, options: XdpOptions): XdpGate {
    const facts = interfaceFacts(options.interface);
    if (options.datagramMax + HEADERS_BYTES > facts.mtu || options.datagramMax > DATAGRAM_MAX) {
      const most = Math.min(facts.mtu - HEADERS_BYTES, DATAGRAM_MAX);
      throw new Error(
        `answers of ${options.datagramMax} bytes don't fit: ${options.interface} takes ${most} (udp.max_size)`,
      );
    }
    return new XdpGate(linux, options, facts);
  }

  private constructor(linux: Linux, options: XdpOptions, facts: InterfaceFacts) {
    this.name = options.interface;
    this.#linux = linux;
    this.#bpf = new Bpf(linux);
    const opened: number[] = [];
    const queues: XdpQueue[] = [];
    const opens = (fd: number): number => {
      opened.push(fd);
      return fd;
    };
    try {
      this.#maps = {
        sockets: opens(this.#bpf.createMap(MAP.SOCKETS, 4, 4, QUEUES_MAX)),
        destinations: opens(this.#bpf.createMap(MAP.HASH, DESTINATION_BYTES, 4, DESTINATIONS_MAX)),
        dropped: opens(this.#bpf.createMap(MAP.ARRAY, 4, 8, 1)),
      };
      const program = opens(this.#bpf.loadProgram(redirectProgram(this.#maps)));
      opens(attach(this.#bpf, program, facts.index, options.mode));
      for (let index = 0; index < Math.min(facts.queues, QUEUES_MAX); index++) {
        const { mtu, index: interfaceIndex } = facts;
        const { datagramMax } = options;
        queues.push(
          openQueue(linux, { interface: options.interface, interfaceIndex, index, mtu, datagramMax }),
        );
      }
    } catch (error) {
      for (const queue of queues) closeQueue(linux, queue);
      for (const fd of opened.reverse()) linux.close(fd);
      throw error;
    }
    this.queues = queues;
    this.#descriptors = opened.reverse();
  }

  /** Takes datagrams to these, and no others; a wildcard stands for every address of this machine. */
  setDestinations(listen: readonly SocketAddress[], local: readonly string[] = localAddresses()): void {
    const wanted = destinationKeys(listen, local);
    for (const [name, key] of this.#destinations) {
      if (!wanted.has(name)) this.#bpf.delete(this.#maps.destinations, key);
    }
    for (const [name, key] of wanted) {
      if (!this.#destinations.has(name)) this.#bpf.update(this.#maps.destinations, key, ZERO_KEY);
    }
    this.#destinations = wanted;
  }

  /** Somebody serves the queue from now on. */
  connect({ index, fd }: XdpQueue): void {
    this.#bpf.update(this.#maps.sockets, keyOf(index), new Uint8Array(Int32Array.of(fd).buffer));
  }

  /** Nobody does any more. */
  disconnect({ index }: XdpQueue): void {
    this.#bpf.delete(this.#maps.sockets, keyOf(index));
  }

  /** Datagrams that were dropped since they were responses, or no DNS at all. */
  get dropped(): number {
    return this.#bpf.lookup(this.#maps.dropped, ZERO_KEY);
  }

  /** No thread may serve a queue any more. */
  close(): void {
    for (const fd of this.#descriptors) this.#linux.close(fd);
    for (const queue of this.queues) closeQueue(this.#linux, queue);
  }
}

/** The addresses of this machine. */
export function localAddresses(): readonly string[] {
  const all = Object.values(networkInterfaces()) as (NetworkInterfaceInfo[] | undefined)[];
  return all.flatMap((some) => some?.map(({ address }) => address) ?? []);
}

/** Keys of the map of destinations, at most as many as it holds, each by its text. */
export function destinationKeys(
  listen: readonly SocketAddress[],
  local: readonly string[],
): Map<string, Uint8Array> {
  const keys = new Map<string, Uint8Array>();
  for (const address of listen) {
    const { host, port } = address;
    const sameFamily = local.filter((one) => familyOf(one) === familyOf(host));
    for (const text of isWildcard(address) ? sameFamily : [host]) {
      const key = new Uint8Array(DESTINATION_BYTES);
      if (!addressBytes(text, key)) continue;
      new DataView(key.buffer).setUint16(16, port);
      key[18] = familyOf(text);
      if (keys.size < DESTINATIONS_MAX) keys.set(`${text} ${port}`, key);
    }
  }
  return keys;
}

interface InterfaceFacts {
  readonly index: number;
  readonly mtu: number;
  /** Receive queues. */
  readonly queues: number;
}

function interfaceFacts(name: string): InterfaceFacts {
  const folder = `/sys/class/net/${name}`;
  try {
    const number = (file: string): number => Number(readFileSync(`${folder}/${file}`, 'utf8'));
    const queues = readdirSync(`${folder}/queues`).filter((queue) => queue.startsWith('rx-')).length;
    return { index: number('ifindex'), mtu: number('mtu'), queues };
  } catch (error) {
    const { code = String(error) } = error as NodeJS.ErrnoException;
    throw new Error(`there is no interface ${name} (${code})`);
  }
}

/** A driver that can't, or not now, is no reason to do without: the kernel can above it. */
function attach(bpf: Bpf, program: number, interfaceIndex: number, mode: XdpMode): number {
  if (mode === 'generic') return bpf.attach(program, interfaceIndex, ATTACH.GENERIC);
  if (mode === 'native') return bpf.attach(program, interfaceIndex, ATTACH.NATIVE);
  try {
    return bpf.attach(program, interfaceIndex, ATTACH.AUTO);
  } catch (error) {
    if (!(error instanceof XdpError) || error.code === 'EBUSY') throw error;
    return bpf.attach(program, interfaceIndex, ATTACH.GENERIC);
  }
}

function familyOf(host: string): 4 | 6 {
  return host.includes(':') ? 6 : 4;
}

function keyOf(index: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(index).buffer);
}
