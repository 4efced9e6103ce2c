import { ERRNO, type Linux, type NativeMemory } from '../batched/linux.js';
import { setPointer } from '../batched/message-headers.js';

/** Commands of bpf(2). */
const COMMAND = {
  MAP_CREATE: 0,
  MAP_LOOKUP: 1,
  MAP_UPDATE: 2,
  MAP_DELETE: 3,
  PROGRAM_LOAD: 5,
  LINK_CREATE: 28,
};
/** `enum bpf_map_type`. */
export const MAP = { HASH: 1, ARRAY: 2, SOCKETS: 17 } as const;
const PROGRAM_XDP = 6;
/** `enum bpf_attach_type`. */
const ATTACH_XDP = 37;
/** Ways to attach a program: by the network card's driver, or by the kernel above it (slower, and with every driver). */
export const ATTACH = { AUTO: 0, GENERIC: 2, NATIVE: 4 } as const;
/** Of `union bpf_attr`, as far as it is used here. */
const ATTRIBUTE_BYTES = 128;
const ELEMENT_BYTES = 64;
const LOG_BYTES = 65_536;
/** None of the functions that are called asks for a licence of their kind. */
const LICENCE = new TextEncoder().encode('MIT\0');

/** A call of the kernel did not work out. */
export class XdpError extends Error {
  readonly code: string;

  constructor(doing: string, errno: number, detail = '') {
    const code = ERRNO[errno] ?? `errno ${errno}`;
    super(`cannot ${doing}: ${code}${detail}`);
    this.name = 'XdpError';
    this.code = code;
  }
}

/** bpf(2): maps, programs and links. All are descriptors, which the caller closes. Methods throw XdpError. */
export class Bpf {
  readonly #linux: Linux;
  readonly #attributes: NativeMemory;
  readonly #view: DataView;
  readonly #key: NativeMemory;
  readonly #value: NativeMemory;

  constructor(linux: Linux) {
    this.#linux = linux;
    this.#attributes = linux.allocate(ATTRIBUTE_BYTES);
    this.#view = new DataView(this.#attributes.buffer);
    this.#key = linux.allocate(ELEMENT_BYTES);
    this.#value = linux.allocate(ELEMENT_BYTES);
  }

  createMap(type: number, keyBytes: number, valueBytes: number, entriesMax: number): number {
    const view = this.#clear();
    for (const [i, value] of [type, keyBytes, valueBytes, entriesMax].entries())
      view.setUint32(i * 4, value, true);
    return this.#call(COMMAND.MAP_CREATE, 'make a BPF map');
  }

  /** Of a map with keys and values of at most 64 bytes. */
  update(map: number, key: Uint8Array, value: Uint8Array): void {
    this.#element(map, key);
    new Uint8Array(this.#value.buffer).set(value);
    this.#call(COMMAND.MAP_UPDATE, 'change a BPF map');
  }

  /** One that is not there is no error. */
  delete(map: number, key: Uint8Array): void {
    this.#element(map, key);
    this.#linux.bpf(COMMAND.MAP_DELETE, this.#attributes.address, ATTRIBUTE_BYTES);
  }

  /** The 64-bit number at `key`. */
  lookup(map: number, key: Uint8Array): number {
    this.#element(map, key);
    this.#call(COMMAND.MAP_LOOKUP, 'read a BPF map');
    return Number(new DataView(this.#value.buffer).getBigUint64(0, true));
  }

  loadProgram(instructions: Uint8Array): number {
    const code = this.#linux.allocate(instructions.length);
    new Uint8Array(code.buffer).set(instructions);
    const licence = this.#linux.allocate(LICENCE.length);
    new Uint8Array(licence.buffer).set(LICENCE);
    const log = this.#linux.allocate(LOG_BYTES);
    const view = this.#clear();
    view.setUint32(0, PROGRAM_XDP, true);
    view.setUint32(4, instructions.length / 8, true);
    setPointer(view, 8, code.address);
    setPointer(view, 16, licence.address);
    view.setUint32(24, 1, true);
    view.setUint32(28, LOG_BYTES, true);
    setPointer(view, 32, log.address);
    return this.#call(COMMAND.PROGRAM_LOAD, 'load the XDP program', () => lastLine(log.buffer));
  }

  /** The program runs for as long as the link is open. */
  attach(program: number, interfaceIndex: number, how: number): number {
    const view = this.#clear();
    for (const [i, value] of [program, interfaceIndex, ATTACH_XDP, how].entries())
      view.setUint32(i * 4, value, true);
    return this.#call(COMMAND.LINK_CREATE, 'attach the XDP program');
  }

  #element(map: number, key: Uint8Array): void {
    new Uint8Array(this.#key.buffer).set(key);
    const view = this.#clear();
    view.setUint32(0, map, true);
    setPointer(view, 8, this.#key.address);
    setPointer(view, 16, this.#value.address);
  }

  #clear(): DataView {
    new Uint8Array(this.#attributes.buffer).fill(0);
    return this.#view;
  }

  #call(command: number, doing: string, detail: () => string = () => ''): number {
    const result = this.#linux.bpf(command, this.#attributes.address, ATTRIBUTE_BYTES);
    if (result >= 0) return result;
    throw new XdpError(doing, this.#linux.errno(), detail());
  }
}

/** What the kernel's verifier said last. */
function lastLine(log: ArrayBuffer): string {
  const bytes = new Uint8Array(log);
  const text = new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
  const line = text.trimEnd().split('\n').slice(-2)[0] ?? '';
  return line === '' ? '' : ` (${line})`;
}
