/**
 * As much of an eBPF machine (RFC 9669) as the XDP program needs, so that its decisions can be tested without a kernel. Reads of what
 * was not written, or lies outside of frame, stack and maps, are errors, as for the kernel's verifier; so are jumps backwards.
 */

export interface XdpRun {
  readonly program: Uint8Array;
  readonly frame: Uint8Array;
  readonly queue: number;
  readonly maps: ReadonlyMap<number, BpfMap>;
}

export interface BpfMap {
  readonly keyBytes: number;
  /** By key, in hexadecimal digits. */
  readonly values: Map<string, Uint8Array>;
}

/** `XDP_REDIRECT`. */
export const REDIRECT = 4;
const [CONTEXT, FRAME, STACK, VALUES] = [0x1000, 0x10000, 0x20000, 0x30000];
const STACK_BYTES = 512;
const SIZES = [4, 2, 1, 8] as const;
const CLASS = { LOAD: 0, LOAD_REG: 1, STORE: 2, STORE_REG: 3, ALU32: 4, JUMP: 5, ALU64: 7 } as const;

/** Runs the program; returns what it decided, and the queue to whose socket the frame went. */
export function runXdp(run: XdpRun): { readonly action: number; readonly socket?: number } {
  return new Machine(run).run();
}

class Machine {
  readonly #run: XdpRun;
  readonly #code: DataView;
  readonly #registers: (number | undefined)[] = new Array(11).fill(undefined);
  readonly #stack = new Map<number, number>();
  readonly #values: Uint8Array[] = [];
  #socket: number | undefined;

  constructor(run: XdpRun) {
    this.#run = run;
    this.#code = new DataView(run.program.buffer, run.program.byteOffset, run.program.length);
    this.#registers[1] = CONTEXT;
    this.#registers[10] = STACK;
  }

  run(): { readonly action: number; readonly socket?: number } {
    let at = 0;
    while (at < this.#code.byteLength / 8) {
      const next = this.#step(at);
      if (next === undefined) {
        const action = this.#get(0);
        return this.#socket === undefined ? { action } : { action, socket: this.#socket };
      }
      if (next <= at) throw new Error(`a loop at ${at}`);
      at = next;
    }
    throw new Error('ran out of the program');
  }

  /** The next instruction; undefined at the end. */
  #step(at: number): number | undefined {
    const code = this.#code.getUint8(at * 8);
    const registers = this.#code.getUint8(at * 8 + 1);
    const [to, from] = [registers & 15, registers >> 4];
    const offset = this.#code.getInt16(at * 8 + 2, true);
    const value = this.#code.getInt32(at * 8 + 4, true);
    const size = SIZES[(code >> 3) & 3]!;
    switch (code & 7) {
      case CLASS.LOAD:
        if (code !== 0x18 || from !== 1) throw new Error(`no such load: ${code}`);
        this.#registers[to] = value;
        return at + 2;
      case CLASS.LOAD_REG:
        this.#registers[to] = this.#load(this.#get(from) + offset, size);
        return at + 1;
      case CLASS.STORE:
        this.#store(this.#get(to) + offset, size, value);
        return at + 1;
      case CLASS.STORE_REG: {
        const where = this.#get(to) + offset;
        const isAdd = code === 0xdb && value === 0;
        this.#store(where, size, isAdd ? this.#load(where, size) + this.#get(from) : this.#get(from));
        return at + 1;
      }
      case CLASS.ALU32:
      case CLASS.ALU64:
        this.#registers[to] = this.#compute(code, to, (code & 8) !== 0 ? this.#get(from) : value);
        return at + 1;
      case CLASS.JUMP:
        return this.#jump(code, at, {
          to,
          offset,
          other: () => ((code & 8) !== 0 ? this.#get(from) : value),
        });
      default:
        throw new Error(`no such instruction: ${code}`);
    }
  }

  #compute(code: number, to: number, operand: number): number {
    if (code === 0xbf || code === 0xb7) return operand;
    if (code === 0x07) return this.#get(to) + operand;
    if (code === 0x54) return (this.#get(to) & operand) >>> 0;
    throw new Error(`no such computation: ${code}`);
  }

  #jump(
    code: number,
    at: number,
    { to, offset, other }: { readonly to: number; readonly offset: number; readonly other: () => number },
  ): number | undefined {
    const target = at + 1 + offset;
    if (code === 0x95) return undefined;
    if (code === 0x85) {
      this.#call(other());
      return at + 1;
    }
    if (code === 0x05) return target;
    const holds = {
      85: () => this.#get(to) !== other(),
      21: () => this.#get(to) === other(),
      69: () => (this.#get(to) & other()) !== 0,
      45: () => this.#get(to) > other(),
    }[code];
    if (!holds) throw new Error(`no such jump: ${code}`);
    return holds() ? target : at + 1;
  }

  #call(helper: number): void {
    const map = this.#run.maps.get(this.#get(1));
    if (!map) throw new Error(`no such map: ${this.#get(1)}`);
    let result: number;
    if (helper === 1) result = this.#lookup(map, this.#get(2));
    else if (helper === 51) result = this.#redirect(map, this.#get(2), this.#get(3));
    else throw new Error(`no such helper: ${helper}`);
    this.#registers.fill(undefined, 1, 6);
    this.#registers[0] = result;
  }

  #lookup(map: BpfMap, key: number): number {
    const bytes = Array.from({ length: map.keyBytes }, (_, i) => this.#load(key + i, 1));
    const value = map.values.get(keyText(bytes));
    if (!value) return 0;
    return VALUES + (this.#values.push(value) - 1) * 64;
  }

  #redirect(map: BpfMap, queue: number, fallback: number): number {
    if (!map.values.has(String(queue))) return fallback & 3;
    this.#socket = queue;
    return REDIRECT;
  }

  #get(register: number): number {
    const value = this.#registers[register];
    if (value === undefined) throw new Error(`register ${register} is read before it is written`);
    return value;
  }

  #load(address: number, size: number): number {
    if (address >= CONTEXT && address < FRAME) return this.#context(address - CONTEXT, size);
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + this.#byte(address + i);
    return value;
  }

  /** `struct xdp_md`. */
  #context(at: number, size: number): number {
    if (size !== 4) throw new Error(`${size} bytes of the context`);
    if (at === 0) return FRAME;
    if (at === 4) return FRAME + this.#run.frame.length;
    if (at === 16) return this.#run.queue;
    throw new Error(`the context is read at ${at}`);
  }

  #byte(address: number): number {
    const [memory, at] = this.#place(address);
    const byte = memory === undefined ? this.#stack.get(address) : memory[at];
    if (byte === undefined) throw new Error(`a read at ${address.toString(16)}`);
    return byte;
  }

  #store(address: number, size: number, value: number): void {
    const [memory, at] = this.#place(address);
    if (memory === this.#run.frame) throw new Error('a write to the frame');
    for (let i = 0; i < size; i++) {
      const byte = Math.floor(value / 2 ** (8 * i)) & 0xff;
      if (memory) memory[at + i] = byte;
      else if (address < STACK - STACK_BYTES || address + size > STACK)
        throw new Error('a write off the stack');
      else this.#stack.set(address + i, byte);
    }
  }

  /** Undefined for the stack. */
  #place(address: number): readonly [Uint8Array | undefined, number] {
    if (address >= VALUES) return [this.#values[(address - VALUES) >> 6], (address - VALUES) & 63];
    if (address < STACK - STACK_BYTES) return [this.#run.frame, address - FRAME];
    return [undefined, 0];
  }
}

export function keyText(bytes: Iterable<number>): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
