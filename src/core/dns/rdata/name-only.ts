/** Types whose rdata is one domain name: NS, CNAME, PTR (RFC 1035 §3.3) and DNAME (RFC 6672 §2.1). */
import { TYPE } from '../iana.js';
import { formatName, nameLength } from '../name.js';
import { type RdataCodec, rdataError, shown } from './codec.js';
import { name } from './field.js';

export const NS: RdataCodec = nameOnly(TYPE.NS);
export const CNAME: RdataCodec = nameOnly(TYPE.CNAME);
export const PTR: RdataCodec = nameOnly(TYPE.PTR);
export const DNAME: RdataCodec = nameOnly(TYPE.DNAME);

function nameOnly(type: number): RdataCodec {
  const field = name('value');
  return {
    type,
    parse(value) {
      const wire = field.parse(value);
      return typeof wire === 'string' ? rdataError(`must be ${wire}, not ${shown(value)}`) : wire;
    },
    toText,
    toValue: toText,
  };
}

function toText(wire: Uint8Array): string | undefined {
  return nameLength(wire) === wire.length ? formatName(wire) : undefined;
}
