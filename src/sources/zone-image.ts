import type { Soa, StaticRRset, Zone } from '../core/zone/model.js';

/**
 * A zone of static records as bytes, to be kept and read again fast:
 *
 *     length of the head (32 bits) | head: JSON | RRsets
 *     RRset: length of the name (16) | name | type (16) | TTL (32) | records (32) | { length (16) | rdata }
 */
export function encodeZoneImage(zone: Zone): Uint8Array {
  const rrsets = zone.rrsets.filter((rrset): rrset is StaticRRset => rrset.kind === 'static');
  const head = Buffer.from(JSON.stringify({ format: FORMAT, origin: zone.origin, soa: zone.soa }));
  let size = 4 + head.length;
  for (const { name, rdata } of rrsets) {
    size += FIXED_BYTES + name.length;
    for (const bytes of rdata) size += 2 + bytes.length;
  }
  const out = Buffer.allocUnsafe(size);
  let at = out.writeUInt32BE(head.length, 0);
  at += head.copy(out, at);
  for (const { name, type, ttl, rdata } of rrsets) {
    at = out.writeUInt16BE(name.length, at);
    at += out.write(name, at, 'latin1');
    at = out.writeUInt16BE(type, at);
    at = out.writeUInt32BE(ttl, at);
    at = out.writeUInt32BE(rdata.length, at);
    for (const bytes of rdata) {
      at = out.writeUInt16BE(bytes.length, at);
      out.set(bytes, at);
      at += bytes.length;
    }
  }
  return out;
}

/** The zone of an image that `encodeZoneImage` made; undefined for anything else. Its rdata are parts of `image`. */
export function decodeZoneImage(image: Uint8Array): Zone | undefined {
  const bytes = Buffer.from(image.buffer, image.byteOffset, image.byteLength);
  try {
    const headEnd = 4 + bytes.readUInt32BE(0);
    const head = JSON.parse(bytes.toString('utf8', 4, headEnd)) as {
      readonly format: number;
      readonly origin: string;
      readonly soa: Soa;
    };
    if (head.format !== FORMAT) return undefined;
    const rrsets: StaticRRset[] = [];
    for (let at = headEnd; at < bytes.length; ) at = readRRset(bytes, at, rrsets);
    const { origin, soa } = head;
    return { origin, soa, regions: new Map(), monitors: new Map(), pools: new Map(), rrsets };
  } catch {
    // Cut short, or not ours.
    return undefined;
  }
}

function readRRset(bytes: Buffer, from: number, rrsets: StaticRRset[]): number {
  const nameEnd = from + 2 + bytes.readUInt16BE(from);
  const name = bytes.toString('latin1', from + 2, nameEnd);
  const type = bytes.readUInt16BE(nameEnd);
  const ttl = bytes.readUInt32BE(nameEnd + 2);
  const count = bytes.readUInt32BE(nameEnd + 6);
  const rdata: Uint8Array[] = [];
  let at = nameEnd + 10;
  for (let i = 0; i < count; i++) {
    const end = at + 2 + bytes.readUInt16BE(at);
    if (end > bytes.length) throw new RangeError('cut short');
    rdata.push(bytes.subarray(at + 2, end));
    at = end;
  }
  rrsets.push({ kind: 'static', name, type, ttl, rdata });
  return at;
}

const FORMAT = 1;
const FIXED_BYTES = 12;
