import { randomInt } from 'node:crypto';
import { connect } from 'node:net';
import { rcodeName, TYPE, typeName } from '../core/dns/iana.js';
import { decodeMessage, encodeQuery, type Message } from '../core/dns/message.js';
import { isNameError, parseName } from '../core/dns/name.js';
import type { ProbeNetworks } from '../core/probe/limits.js';
import type { DnsCheck } from '../core/zone/check.js';
import { type AttemptOptions, attempt, type Outcome, type ProbeResult } from './attempt.js';
import { askDatagram } from './datagram.js';
import { dialOptions } from './dial.js';

const PAYLOAD_BYTES = 1232;

/** Up when the answer has the wanted rcode, and the wanted value among its records of the type that was asked for. */
export function probeDns(
  host: string,
  check: DnsCheck,
  options: AttemptOptions,
  networks: ProbeNetworks,
): Promise<ProbeResult> {
  const query = queryOf(check);
  if (!query) return attempt(options, ({ settle }) => refuse(settle, check.queryName));
  if (check.protocol === 'tcp') return askTcp(host, check, query, options, networks);
  return askDatagram({ ...check, host }, query.bytes, options, networks, (reply, outcome) => {
    // Who guesses the port may still not know the id: others' replies don't count (RFC 5452 §9).
    if (isReply(reply, query.id)) judge(reply, check, outcome);
  });
}

interface Query {
  readonly id: number;
  readonly bytes: Uint8Array;
}

function queryOf({ queryName, queryType }: DnsCheck): Query | undefined {
  const wire = parseName(queryName);
  if (isNameError(wire)) return undefined;
  const id = randomInt(0x1_0000);
  const edns = { payloadSize: PAYLOAD_BYTES };
  return { id, bytes: encodeQuery({ id, name: wire, type: queryType, recursionDesired: true, edns }) };
}

function refuse(settle: Outcome['settle'], name: string): () => void {
  settle(false, `${name} is no domain name`);
  return () => {};
}

/** Two bytes of length in front of each message (RFC 1035 §4.2.2). */
function askTcp(
  host: string,
  check: DnsCheck,
  query: Query,
  options: AttemptOptions,
  networks: ProbeNetworks,
): Promise<ProbeResult> {
  return attempt(options, (outcome) => {
    const socket = connect(dialOptions({ ...check, host }, networks));
    let received = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      const reply = received.subarray(2, 2 + received.readUInt16BE(0));
      if (isReply(reply, query.id)) judge(reply, check, outcome);
      else outcome.settle(false, 'not a valid DNS response');
    });
    socket.on('error', (error) => outcome.fail(error));
    socket.on('close', () => outcome.settle(false, 'connection closed without a response'));
    const { length } = query.bytes;
    socket.write(Buffer.from([length >> 8, length & 0xff, ...query.bytes]));
    return () => socket.destroy();
  });
}

/** QR set, and the id of the query. */
function isReply(bytes: Buffer, id: number): boolean {
  return bytes.length >= 12 && bytes.readUInt16BE(0) === id && (bytes[2]! & 0x80) !== 0;
}

function judge(bytes: Buffer, check: DnsCheck, { settle }: Outcome): void {
  const message = decodeMessage(bytes);
  if (!message || !asksFor(message, check)) return settle(false, 'not a valid DNS response');
  const rcode = rcodeName(message.rcode);
  if (message.rcode !== check.rcode) return settle(false, `${rcode}, want ${rcodeName(check.rcode)}`);
  const { value } = check;
  if (value === undefined) return settle(true, rcode);
  const found = message.answers.filter(({ type }) => type === check.queryType).map(({ rdata }) => rdata);
  if (found.some((rdata) => sameRdata(check.queryType, rdata, value)))
    return settle(true, `${rcode}, ${value}`);
  if (message.truncated) return settle(false, `truncated, and without ${value}: ask by TCP`);
  const what = `${found.length} ${typeName(check.queryType)} records, none is ${value}`;
  settle(false, what.length > 120 ? `${what.slice(0, 119)}…` : what);
}

/** Some servers leave the question out of an error. */
function asksFor({ question, rcode }: Message, { queryName, queryType }: DnsCheck): boolean {
  if (!question) return rcode !== 0;
  return question.type === queryType && question.name.toLowerCase() === queryName.toLowerCase();
}

/** Names have no letter case (RFC 4343). */
function sameRdata(type: number, a: string, b: string): boolean {
  return a === b || (NAMES.has(type) && a.toLowerCase() === b.toLowerCase());
}

const NAMES: ReadonlySet<number> = new Set([
  TYPE.NS,
  TYPE.CNAME,
  TYPE.SOA,
  TYPE.PTR,
  TYPE.MX,
  TYPE.SRV,
  TYPE.DNAME,
]);
