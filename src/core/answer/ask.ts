import { type ClientSubnet, decodeMessage, encodeQuery, type Message } from '../dns/message.js';
import { answer } from './answer.js';
import { type Query, setPacket } from './query.js';

/** A question as a resolver would send it over TCP. */
export interface Asked {
  /** Wire form. */
  readonly name: Uint8Array;
  readonly type: number;
  /** The client's prefix; without one the resolver's own address counts. */
  readonly subnet?: ClientSubnet;
  /** The resolver's address, 4 or 16 bytes. */
  readonly source: Uint8Array;
  /** Seconds since 1970: for the TTL of addresses that were resolved. */
  readonly nowSeconds?: number;
}

export const LOOPBACK: Uint8Array = Uint8Array.of(127, 0, 0, 1);

const LARGEST = 65_535;

/** Lets the query path answer a question, with room for all of the answer, and reads what it wrote. */
export function ask(query: Query, { name, type, subnet, source, nowSeconds = 0 }: Asked): Message {
  const input = encodeQuery({
    id: 0,
    name,
    type,
    edns: { payloadSize: 4096, ...(subnet && { subnet }) },
  });
  const output = query.output.length >= LARGEST ? query.output : new Uint8Array(LARGEST);
  setPacket(query, input, 0, input.length, output, 0);
  query.nowSeconds = nowSeconds;
  query.stream = true;
  query.transportLimit = LARGEST;
  query.source = source;
  query.sourceFamily = source.length === 4 ? 4 : 6;
  const message = decodeMessage(query.output.subarray(0, answer(query)));
  if (!message) throw new Error('the query path made a message that cannot be read');
  return message;
}
