/**
 * The program that the kernel runs for each frame that comes in to an interface (eBPF, RFC 9669): UDP datagrams to our addresses go to
 * an AF_XDP socket, those that nobody would answer are dropped, and everything else takes its usual way.
 */

/** Actions of a program, `enum xdp_action`. */
export const ACTION = { DROP: 1, PASS: 2 } as const;

/** A key of the map of destinations: address (an IPv4 one in the first 4 bytes), port in network order, family. */
export const DESTINATION_BYTES = 20;

/** Opcodes (RFC 9669 §4, §5). */
const OP = {
  MOV_REG: 0xbf,
  MOV: 0xb7,
  ADD: 0x07,
  AND32: 0x54,
  LOAD8: 0x71,
  LOAD16: 0x69,
  LOAD32: 0x61,
  STORE_REG16: 0x6b,
  STORE_REG32: 0x63,
  STORE16: 0x6a,
  STORE32: 0x62,
  LOAD_MAP: 0x18,
  CALL: 0x85,
  EXIT: 0x95,
  JUMP: 0x05,
  JUMP_NE: 0x55,
  JUMP_EQ: 0x15,
  JUMP_SET: 0x45,
  JUMP_GREATER_REG: 0x2d,
  ATOMIC64: 0xdb,
} as const;

/** Functions of the kernel (bpf-helpers(7)). */
const CALL = { MAP_LOOKUP: 1, REDIRECT_MAP: 51 } as const;
/** `BPF_PSEUDO_MAP_FD`: the number is a descriptor. */
const MAP_FD = 1;

/** Registers: results and arguments are lost in calls, the others are kept. */
const R = {
  RESULT: 0,
  A1: 1,
  A2: 2,
  A3: 3,
  TEMP: 4,
  VALUE: 5,
  CONTEXT: 6,
  PAYLOAD: 7,
  END: 8,
  FRAME: 9,
  STACK: 10,
};

/** Where things are in a frame: Ethernet (14 bytes), IPv4 (20) or IPv6 (40), UDP (8). Numbers are as a little-endian load finds them. */
const SOURCE = 6;
/** In the first byte of an Ethernet address: of a group, or of all. */
const GROUP = 0x01;
const ETHERTYPE = 12;
const IPV4 = 0x0008;
const IPV6 = 0xdd86;
const UDP = 17;
const V4 = { VERSION: 14, FRAGMENT: 20, PROTOCOL: 23, DESTINATION: 30, PORT: 36, PAYLOAD: 42 } as const;
const V6 = { NEXT_HEADER: 20, DESTINATION: 38, PORT: 56, PAYLOAD: 62 } as const;
/** Version 4, and a header without options. */
const PLAIN_IPV4 = 0x45;
/** More fragments, and the offset: neither may be set. */
const FRAGMENTED = 0xff3f;
const DNS_HEADER_BYTES = 12;
/** Of the third byte of a DNS message: it is a response. */
const RESPONSE = 0x80;
/** Where the key begins on the stack. */
const KEY = -24;

/** Descriptors of the maps that the program uses. */
export interface ProgramMaps {
  /** XSKMAP: the sockets, by receive queue. */
  readonly sockets: number;
  /** HASH: keys as in `DESTINATION_BYTES`. */
  readonly destinations: number;
  /** ARRAY of one 64-bit number: datagrams that were dropped. */
  readonly dropped: number;
}

/** The instructions, 8 bytes each. */
export function redirectProgram(maps: ProgramMaps): Uint8Array<ArrayBuffer> {
  const code = new Assembler();
  code.add(OP.MOV_REG, R.CONTEXT, R.A1);
  code.add(OP.LOAD32, R.FRAME, R.CONTEXT, 0);
  code.add(OP.LOAD32, R.END, R.CONTEXT, 4);
  needs(code, V4.PAYLOAD);
  // The answer goes back the way that the query came, so both ends must be somebody.
  for (const at of [0, SOURCE]) {
    code.add(OP.LOAD8, R.VALUE, R.FRAME, at);
    code.jump(OP.JUMP_SET, R.VALUE, GROUP, 'pass');
  }
  code.add(OP.LOAD16, R.VALUE, R.FRAME, ETHERTYPE);
  code.jump(OP.JUMP_EQ, R.VALUE, IPV4, 'ipv4');
  code.jump(OP.JUMP_NE, R.VALUE, IPV6, 'pass');
  ipv6(code);
  code.label('ipv4');
  ipv4(code);
  code.label('ours?');
  code.loadMap(R.A1, maps.destinations);
  code.add(OP.MOV_REG, R.A2, R.STACK);
  code.add(OP.ADD, R.A2, 0, 0, KEY);
  code.add(OP.CALL, 0, 0, 0, CALL.MAP_LOOKUP);
  code.jump(OP.JUMP_EQ, R.RESULT, 0, 'pass');
  query(code);
  code.loadMap(R.A1, maps.sockets);
  // The receive queue; and where no socket has it, the frame takes its usual way.
  code.add(OP.LOAD32, R.A2, R.CONTEXT, 16);
  code.add(OP.MOV, R.A3, 0, 0, ACTION.PASS);
  code.add(OP.CALL, 0, 0, 0, CALL.REDIRECT_MAP);
  code.add(OP.EXIT);
  drop(code, maps.dropped);
  code.label('pass');
  code.add(OP.MOV, R.RESULT, 0, 0, ACTION.PASS);
  code.add(OP.EXIT);
  return code.bytes();
}

/** Frames that are shorter go their usual way. */
function needs(code: Assembler, bytes: number): void {
  code.add(OP.MOV_REG, R.TEMP, R.FRAME);
  code.add(OP.ADD, R.TEMP, 0, 0, bytes);
  code.jumpGreater(R.TEMP, R.END, 'pass');
}

function ipv6(code: Assembler): void {
  needs(code, V6.PAYLOAD);
  code.add(OP.LOAD8, R.VALUE, R.FRAME, V6.NEXT_HEADER);
  code.jump(OP.JUMP_NE, R.VALUE, UDP, 'pass');
  for (let at = 0; at < 16; at += 4) {
    code.add(OP.LOAD32, R.VALUE, R.FRAME, V6.DESTINATION + at);
    code.add(OP.STORE_REG32, R.STACK, R.VALUE, KEY + at);
  }
  code.add(OP.LOAD16, R.VALUE, R.FRAME, V6.PORT);
  code.add(OP.STORE_REG16, R.STACK, R.VALUE, KEY + 16);
  code.add(OP.STORE16, R.STACK, 0, KEY + 18, 6);
  code.add(OP.MOV_REG, R.PAYLOAD, R.FRAME);
  code.add(OP.ADD, R.PAYLOAD, 0, 0, V6.PAYLOAD);
  code.goto('ours?');
}

function ipv4(code: Assembler): void {
  code.add(OP.LOAD8, R.VALUE, R.FRAME, V4.VERSION);
  code.jump(OP.JUMP_NE, R.VALUE, PLAIN_IPV4, 'pass');
  code.add(OP.LOAD8, R.VALUE, R.FRAME, V4.PROTOCOL);
  code.jump(OP.JUMP_NE, R.VALUE, UDP, 'pass');
  code.add(OP.LOAD16, R.VALUE, R.FRAME, V4.FRAGMENT);
  code.add(OP.AND32, R.VALUE, 0, 0, FRAGMENTED);
  code.jump(OP.JUMP_NE, R.VALUE, 0, 'pass');
  code.add(OP.LOAD32, R.VALUE, R.FRAME, V4.DESTINATION);
  code.add(OP.STORE_REG32, R.STACK, R.VALUE, KEY);
  for (let at = 4; at < 16; at += 4) code.add(OP.STORE32, R.STACK, 0, KEY + at, 0);
  code.add(OP.LOAD16, R.VALUE, R.FRAME, V4.PORT);
  code.add(OP.STORE_REG16, R.STACK, R.VALUE, KEY + 16);
  code.add(OP.STORE16, R.STACK, 0, KEY + 18, 4);
  code.add(OP.MOV_REG, R.PAYLOAD, R.FRAME);
  code.add(OP.ADD, R.PAYLOAD, 0, 0, V4.PAYLOAD);
}

/** What is no query at all costs nothing beyond this: too short for a header, or a response. */
function query(code: Assembler): void {
  code.add(OP.MOV_REG, R.TEMP, R.PAYLOAD);
  code.add(OP.ADD, R.TEMP, 0, 0, DNS_HEADER_BYTES);
  code.jumpGreater(R.TEMP, R.END, 'drop');
  code.add(OP.LOAD8, R.VALUE, R.PAYLOAD, 2);
  code.jump(OP.JUMP_SET, R.VALUE, RESPONSE, 'drop');
}

function drop(code: Assembler, counter: number): void {
  code.label('drop');
  code.add(OP.STORE32, R.STACK, 0, KEY, 0);
  code.loadMap(R.A1, counter);
  code.add(OP.MOV_REG, R.A2, R.STACK);
  code.add(OP.ADD, R.A2, 0, 0, KEY);
  code.add(OP.CALL, 0, 0, 0, CALL.MAP_LOOKUP);
  code.jump(OP.JUMP_EQ, R.RESULT, 0, 'dropped');
  code.add(OP.MOV, R.VALUE, 0, 0, 1);
  // Adds it: an atomic operation with 0 in place of its number (RFC 9669 §5.3).
  code.add(OP.ATOMIC64, R.RESULT, R.VALUE, 0, 0);
  code.label('dropped');
  code.add(OP.MOV, R.RESULT, 0, 0, ACTION.DROP);
  code.add(OP.EXIT);
}

interface Jump {
  readonly at: number;
  readonly label: string;
}

class Assembler {
  readonly #instructions: (readonly [
    code: number,
    destination: number,
    source: number,
    offset: number,
    value: number,
  ])[] = [];
  readonly #labels = new Map<string, number>();
  readonly #jumps: Jump[] = [];

  add(code: number, destination = 0, source = 0, offset = 0, value = 0): void {
    this.#instructions.push([code, destination, source, offset, value]);
  }

  /** Takes two instructions. */
  loadMap(register: number, fd: number): void {
    this.add(OP.LOAD_MAP, register, MAP_FD, 0, fd);
    this.add(0);
  }

  label(name: string): void {
    this.#labels.set(name, this.#instructions.length);
  }

  jump(code: number, register: number, value: number, label: string): void {
    this.#jumps.push({ at: this.#instructions.length, label });
    this.add(code, register, 0, 0, value);
  }

  jumpGreater(left: number, right: number, label: string): void {
    this.#jumps.push({ at: this.#instructions.length, label });
    this.add(OP.JUMP_GREATER_REG, left, right);
  }

  goto(label: string): void {
    this.jump(OP.JUMP, 0, 0, label);
  }

  bytes(): Uint8Array<ArrayBuffer> {
    const view = new DataView(new ArrayBuffer(this.#instructions.length * 8));
    for (const [i, [code, destination, source, offset, value]] of this.#instructions.entries()) {
      view.setUint8(i * 8, code);
      view.setUint8(i * 8 + 1, destination | (source << 4));
      view.setInt16(i * 8 + 2, offset, true);
      view.setInt32(i * 8 + 4, value, true);
    }
    for (const { at, label } of this.#jumps) {
      const target = this.#labels.get(label);
      if (target === undefined) throw new Error(`no such label: ${label}`);
      view.setInt16(at * 8 + 2, target - at - 1, true);
    }
    return new Uint8Array(view.buffer);
  }
}
