/**
 * Checks values of the data section of a MaxMind DB file before a decoder touches them
 * (https://maxmind.github.io/MaxMind-DB/, "Output Data Section"). A decoder that trusts a file can be led to
 * allocate an array of sixteen million places for five bytes, or to follow pointers in a circle.
 */

/** What may still be read; one object for a whole file, so that values can't multiply through pointers. */
export interface DataBudget {
  /** Values, plus one for each 64 bytes of text. */
  left: number;
  /** Offsets of pointer targets that were found good. */
  readonly checked: Set<number>;
}

export interface DataSection {
  readonly bytes: Uint8Array;
  /** Pointers count from here. */
  readonly start: number;
  readonly end: number;
}

/** Real databases nest five deep (a city: subdivisions → first → names → en). */
const DEPTH_MAX = 16;
const TEXT_BYTES_MAX = 65_536;
const POINTER_BASE = [0, 2048, 526_336, 0];

const TYPE = {
  extended: 0,
  pointer: 1,
  text: 2,
  double: 3,
  bytes: 4,
  uint16: 5,
  uint32: 6,
  map: 7,
  int32: 8,
  uint64: 9,
  uint128: 10,
  array: 11,
  boolean: 14,
  float: 15,
} as const;

/** Largest (`max`) or exact size in bytes of the numbers. */
const NUMBER_SIZES: Readonly<Record<number, { readonly min: number; readonly max: number }>> = {
  [TYPE.double]: { min: 8, max: 8 },
  [TYPE.uint16]: { min: 0, max: 2 },
  [TYPE.uint32]: { min: 0, max: 4 },
  [TYPE.int32]: { min: 0, max: 4 },
  [TYPE.uint64]: { min: 0, max: 8 },
  [TYPE.uint128]: { min: 0, max: 16 },
  [TYPE.float]: { min: 4, max: 4 },
};

/** True if the value at `offset` lies in the section with all it points to, and is worth no more than the budget. */
export function isSoundValue(section: DataSection, offset: number, budget: DataBudget): boolean {
  return skip(section, offset, budget, 0, false) >= 0;
}

/** The offset behind the value, or -1 if it isn't sound. */
function skip(
  section: DataSection,
  offset: number,
  budget: DataBudget,
  depth: number,
  isKey: boolean,
): number {
  if (--budget.left < 0 || depth > DEPTH_MAX || offset < section.start || offset >= section.end) return -1;
  const control = section.bytes[offset]!;
  let type = control >> 5;
  if (type === TYPE.pointer) return skipPointer(section, offset, budget, depth, isKey);
  let at = offset + 1;
  if (type === TYPE.extended) {
    if (at >= section.end) return -1;
    type = section.bytes[at++]! + 7;
    if (type < TYPE.int32) return -1;
  }
  if (isKey && type !== TYPE.text) return -1;
  const extra = Math.max(0, (control & 0x1f) - 28);
  if (at + extra > section.end) return -1;
  const size = sizeOf(section.bytes, control & 0x1f, at);
  return skipPayload(section, type, at + extra, size, budget, depth);
}

function skipPayload(
  section: DataSection,
  type: number,
  at: number,
  size: number,
  budget: DataBudget,
  depth: number,
): number {
  switch (type) {
    case TYPE.map:
    case TYPE.array: {
      let next = at;
      for (let i = 0; i < size && next >= 0; i++) {
        if (type === TYPE.map) next = skip(section, next, budget, depth + 1, true);
        if (next >= 0) next = skip(section, next, budget, depth + 1, false);
      }
      return next;
    }
    case TYPE.boolean:
      return size <= 1 ? at : -1;
    case TYPE.text:
    case TYPE.bytes:
      budget.left -= size >> 6;
      return size <= TEXT_BYTES_MAX && at + size <= section.end ? at + size : -1;
    default: {
      const sizes = NUMBER_SIZES[type];
      const isSound = sizes !== undefined && size >= sizes.min && size <= sizes.max;
      return isSound && at + size <= section.end ? at + size : -1;
    }
  }
}

function skipPointer(
  section: DataSection,
  offset: number,
  budget: DataBudget,
  depth: number,
  isKey: boolean,
): number {
  const { bytes } = section;
  const control = bytes[offset]!;
  const width = (control >> 3) & 3;
  const next = offset + 2 + width;
  if (next > section.end) return -1;
  // Widths 0 to 2 keep their top three bits in the control byte; width 3 has four bytes of its own.
  let value = width === 3 ? 0 : control & 7;
  for (let i = offset + 1; i < next; i++) value = value * 256 + bytes[i]!;
  const target = section.start + POINTER_BASE[width]! + value;
  // A pointer to a pointer is forbidden by the format.
  if (target >= section.end || bytes[target]! >> 5 === TYPE.pointer) return -1;
  if (isKey && bytes[target]! >> 5 !== TYPE.text) return -1;
  if (!budget.checked.has(target)) {
    if (skip(section, target, budget, depth + 1, isKey) < 0) return -1;
    budget.checked.add(target);
  }
  return next;
}

/** Payload size of a control byte; the bytes it needs were checked to be there. */
function sizeOf(bytes: Uint8Array, size: number, at: number): number {
  switch (size) {
    case 29:
      return 29 + bytes[at]!;
    case 30:
      return 285 + ((bytes[at]! << 8) | bytes[at + 1]!);
    case 31:
      return 65_821 + ((bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!);
    default:
      return size;
  }
}
