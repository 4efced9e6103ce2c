import { createAliasTable, writeAliasSlot } from '../../src/core/answer/alias-slot.js';
import type { Compiled } from '../../src/core/answer/build.js';
import { compileSnapshot } from '../../src/core/answer/compile.js';
import { COUNTER } from '../../src/core/answer/counters.js';
import type { Identity } from '../../src/core/answer/identity.js';
import { rcodeName, TYPE, typeName, typeNumber } from '../../src/core/dns/iana.js';
import { decodeMessage, type Message, type ResourceRecord } from '../../src/core/dns/message.js';
import { parseIPv4, parseIPv6 } from '../../src/core/dns/rdata/address.js';
import { EMPTY_LOCATIONS, type LocationTrie } from '../../src/core/geo/location.js';
import {
  createHealthTable,
  healthTableBytes,
  packHealth,
  SLOT_FIRST_FREE,
} from '../../src/core/health/word.js';
import type { Zone } from '../../src/core/zone/model.js';
import { outsideNames } from '../../src/core/zone/outside-names.js';
import { healthTargets } from '../../src/core/zone/targets.js';
import { Responder } from '../../src/dataplane/responder.js';
import { formatProblem } from '../../src/sources/yaml-document.js';
import { loadZoneFile } from '../../src/sources/zone-file.js';
import { expectSameAsOracle } from './dns-oracle.js';
import { packet, subnetData } from './packet.js';

export interface Question {
  /** `203.0.113.0/24`: the client-subnet option, which implies EDNS. */
  readonly subnet?: string;
  /** EDNS payload size. Without one, and without `subnet` or `edns`, no OPT is sent. */
  readonly payload?: number;
  readonly edns?: boolean;
  readonly source?: string;
  readonly tcp?: boolean;
  /** An encrypted transport, in place of `tcp`. */
  readonly over?: 'dot' | 'doh';
  readonly flags?: number;
  readonly class?: number;
}

export interface RigOptions {
  readonly geo?: LocationTrie;
  /** Values of ACME challenges. */
  readonly challenges?: Int32Array;
  readonly seed?: number;
  /** Of UDP, bytes. */
  readonly datagramMax?: number;
  readonly identity?: Identity;
  /** Milliseconds since 1970. */
  readonly nowMs?: number;
  /** What streams tell of their idle timeout, in units of 100 ms. */
  readonly keepalive?: number;
}

/** A zone file: `body` with the head that every test zone shares. */
export function zoneText(origin: string, body: string): string {
  return `zone: ${origin}\nttl: 300\nnameservers: { ns1: { A: 192.0.2.53 } }\nsoa: { ttl: 900, minimum: 60 }\n${body}`;
}

/** Reads a zone file; throws with all its problems. */
export function readZone(text: string): Zone {
  const result = loadZoneFile('test.yaml', text, { serial: 1 });
  if ('problems' in result) throw new Error(result.problems.map(formatProblem).join('\n'));
  return result.zone;
}

const UP = { down: false, forced: false, unknown: false, ttlSeconds: Number.POSITIVE_INFINITY } as const;
const SLOTS = 4096;
const STREAM_MAX = 65_535;
/** Where query and answer lie in larger arrays, as in a worker. */
const START = 5;
const BASE = 3;
const GUARD = 0xa5;

/**
 * Zone files behind the real `answer()`: what a worker does, without sockets. Every query is answered twice, into
 * another array and in place (as the batched tier does), and both answers must be the same.
 */
export class QueryRig {
  readonly compiled: Compiled;
  readonly counters: Float64Array = new Float64Array(COUNTER.SIZE);
  readonly health: Int32Array = createHealthTable(new SharedArrayBuffer(healthTableBytes(SLOTS)), SLOTS);
  readonly #responder: Responder;
  readonly #inPlace: Responder;
  readonly #slots = new Map<string, number>();
  readonly aliasTable: Int32Array = createAliasTable(16);
  readonly #aliases = new Map<string, number>();
  readonly #hosts = new Map<string, number[]>();
  readonly #datagramMax: number;

  constructor(zones: readonly Zone[], options: RigOptions = {}) {
    for (const zone of zones) {
      for (const { key, host } of healthTargets(zone).values()) {
        if (this.#slots.has(key)) continue;
        const slot = SLOT_FIRST_FREE + this.#slots.size;
        this.#slots.set(key, slot);
        this.#hosts.set(host, [...(this.#hosts.get(host) ?? []), slot]);
      }
    }
    const slotOf = (key: string) => this.#slots.get(key)!;
    for (const name of outsideNames(zones)) this.#aliases.set(name, this.#aliases.size);
    const aliases = { table: this.aliasTable, slotOf: (name: string) => this.#aliases.get(name) };
    const compiled = compileSnapshot({ id: 1, zones, geo: options.geo ?? EMPTY_LOCATIONS, slotOf, aliases });
    const { challenges } = options;
    this.compiled = challenges ? { ...compiled, snapshot: { ...compiled.snapshot, challenges } } : compiled;
    this.#datagramMax = options.datagramMax ?? 1232;
    this.#responder = this.#newResponder(this.counters, options);
    this.#inPlace = this.#newResponder(new Float64Array(COUNTER.SIZE), options);
    this.tick(options.nowMs ?? 0);
  }

  /** Tells the time. */
  tick(epochMs: number): void {
    this.#responder.tick(epochMs);
    this.#inPlace.tick(epochMs);
  }

  /** Writes the health words of everything that is watched at these addresses. */
  set(state: 'up' | 'down', ...hosts: readonly string[]): void {
    this.#write(packHealth({ ...UP, down: state === 'down' }), hosts);
  }

  /** As `set` up, with part of the weight, in 256ths. A pool that sheds is named `pool eu of example.com.`. */
  share(share: number, ...hosts: readonly string[]): void {
    this.#write(packHealth({ ...UP, share }), hosts);
  }

  /** Writes a health word as it is. */
  write(host: string, word: number): void {
    this.#write(word, [host]);
  }

  #write(word: number, hosts: readonly string[]): void {
    for (const host of hosts) {
      const slots = this.#hosts.get(host);
      if (!slots) throw new Error(`nothing is watched at ${host}`);
      for (const slot of slots) this.health[slot] = word;
    }
  }

  /** All that is watched. */
  get hosts(): readonly string[] {
    return [...this.#hosts.keys()];
  }

  /** Names outside that ALIAS records lead to. */
  get outside(): readonly string[] {
    return [...this.#aliases.keys()];
  }

  /** Writes what a name outside was resolved to. */
  resolved(name: string, addresses: readonly string[], expires = 1_000): void {
    const slot = this.#aliases.get(name);
    if (slot === undefined) throw new Error(`${name} is not outside`);
    const bytes = addresses.map(addressOf);
    const v4 = bytes.filter(({ length }) => length === 4);
    const v6 = bytes.filter(({ length }) => length === 16);
    writeAliasSlot(this.aliasTable, slot, { v4, v6, expires });
  }

  /** Asks and reads the answer, which must be readable for two decoders. Throws where there is none. */
  ask(name: string, type: string | number, question: Question = {}): Message {
    const message = this.send(packet(packetSpec(name, type, question)), question);
    if (!message) throw new Error(`no answer to ${name} ${type}`);
    return message;
  }

  /** Sends bytes as they are; undefined where nothing is answered. */
  send(bytes: Uint8Array, question: Question = {}): Message | undefined {
    const reply = this.raw(bytes, question);
    if (!reply) return undefined;
    const message = decodeMessage(reply);
    if (!message) throw new Error(`unreadable answer ${Buffer.from(reply).toString('hex')}`);
    expectSameAsOracle(reply, message);
    return message;
  }

  /** The answer as it would leave. */
  raw(bytes: Uint8Array, question: Question = {}): Uint8Array | undefined {
    const reply = this.#respond(this.#responder, bytes, question, false);
    const again = this.#respond(this.#inPlace, bytes, question, true);
    if (Buffer.compare(reply, again) !== 0) {
      throw new Error(`not the same in place: ${hex(bytes)} → ${hex(reply)} | ${hex(again)}`);
    }
    return reply.length === 0 ? undefined : reply;
  }

  #respond(responder: Responder, bytes: Uint8Array, question: Question, inPlace: boolean): Uint8Array {
    const isStream = question.tcp === true || question.over !== undefined;
    const limit = isStream ? STREAM_MAX : this.#datagramMax;
    const room = Math.max(limit, bytes.length);
    const input = new Uint8Array(START + room + 64).fill(GUARD);
    input.set(bytes, START);
    const output = inPlace ? input : new Uint8Array(BASE + room + 64).fill(GUARD);
    const base = inPlace ? START : BASE;
    const source = addressOf(question.source ?? '192.0.2.200');
    const handler = responder[question.over ?? (question.tcp ? 'message' : 'datagram')];
    const from = Uint8Array.from([9, ...source]);
    const family = source.length === 4 ? 4 : 6;
    const length = handler(input, START, START + bytes.length, output, base, from, 1, family);
    if (length > limit) throw new Error(`${length} bytes answered, ${limit} allowed`);
    const around = [...output.subarray(0, base), ...output.subarray(base + room)];
    if (!around.every((byte) => byte === GUARD)) throw new Error(`wrote outside its output: ${hex(bytes)}`);
    return output.slice(base, base + length);
  }

  #newResponder(counters: Float64Array, { seed = 1, identity, keepalive = -1 }: RigOptions): Responder {
    const options = {
      listen: [],
      io: 'portable',
      shared: false,
      datagramMax: this.#datagramMax,
      tcp: { maxConnections: 1, idleTimeoutMs: 1, lifetimeMs: 600_000, maxPerClient: 64, maxQueries: 10_000 },
      proxies: [],
    } as const;
    const { snapshot } = this.compiled;
    const responder = new Responder(
      { options, snapshot, health: this.health, counters, seed, ...(identity && { identity }) },
      (error) => {
        throw error;
      },
    );
    responder.keepalive = () => keepalive;
    return responder;
  }

  /** The rdata of the answers, sorted. */
  values(name: string, type: string, question: Question = {}): readonly string[] {
    return this.ask(name, type, question)
      .answers.map(({ rdata }) => rdata)
      .sort();
  }
}

export function rigOf(texts: string | readonly string[], options: RigOptions = {}): QueryRig {
  return new QueryRig([texts].flat().map(readZone), options);
}

/** `NOERROR aa`, and a line for each record: `answer www.example.com. 300 A 192.0.2.1`. */
export function lines(message: Message): readonly string[] {
  const flags = `${message.authoritative ? ' aa' : ''}${message.truncated ? ' tc' : ''}`;
  return [
    rcodeName(message.rcode) + flags,
    ...message.answers.map((record) => `answer ${line(record)}`),
    ...message.authorities.map((record) => `authority ${line(record)}`),
    ...message.additionals.map((record) => `additional ${line(record)}`),
  ];
}

export function addressOf(text: string): Uint8Array {
  const bytes = parseIPv4(text) ?? parseIPv6(text);
  if (!bytes) throw new Error(`${text} is no address`);
  return bytes;
}

/** The data of a client-subnet option for `address/length`, bits beyond the length cut off. */
export function subnetOption(text: string): number[] {
  const [address = '', length = ''] = text.split('/');
  const bytes = addressOf(address);
  const prefix = Number(length);
  const kept = [...bytes.subarray(0, (prefix + 7) >> 3)];
  if (prefix & 7) kept[kept.length - 1] = kept.at(-1)! & (0xff00 >> (prefix & 7));
  return subnetData(bytes.length === 4 ? 1 : 2, prefix, 0, kept);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function packetSpec(name: string, type: string | number, question: Question) {
  const { subnet, payload, edns } = question;
  const hasOpt = subnet !== undefined || payload !== undefined || edns === true;
  const options = subnet === undefined ? [] : [[8, subnetOption(subnet)] as const];
  return {
    name,
    type: typeof type === 'number' ? type : (typeNumber(type) ?? TYPE.A),
    class: question.class ?? 1,
    flags: question.flags ?? 0,
    opts: hasOpt ? [{ payload: payload ?? 1232, options }] : [],
  };
}

function line({ name, ttl, type, rdata }: ResourceRecord): string {
  return `${name} ${ttl} ${typeName(type)} ${rdata}`;
}
