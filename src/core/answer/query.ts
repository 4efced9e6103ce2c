import { FULL_BYTES_MAX } from './cookie.js';
import { ANONYMOUS, type Identity } from './identity.js';
import type { Snapshot } from './snapshot.js';
import type { Trace } from './trace.js';

/**
 * The working state of one query. One Query is made per worker and used again for every packet, so that
 * answering allocates nothing. Numbers only, and typed arrays.
 */
export interface Query {
  // What the packet is in and where the answer goes; both may be the same place.
  input: Uint8Array;
  inputView: DataView;
  start: number;
  end: number;
  output: Uint8Array;
  outputView: DataView;
  base: number;
  /** Largest answer that the transport carries, bytes. */
  transportLimit: number;
  /** TCP: the requestor's UDP payload size does not bind. */
  stream: boolean;
  /** Nobody on the way can read it: padding makes sense. */
  encrypted: boolean;
  /** What a stream says of its idle limit where asked, units of 100 ms (RFC 7828 §3.1); -1: nothing. */
  keepalive: number;
  /** Seconds since 1970, within a second or so: for cookies. */
  nowSeconds: number;

  // The client: its socket address, 4 or 16 bytes at `sourceAt` of `source`.
  source: Uint8Array;
  sourceAt: number;
  sourceFamily: 4 | 6;

  // The question.
  nameLength: number;
  labels: number;
  type: number;
  class: number;
  questionEnd: number;
  /** The name in lower case, with a word of zeros behind it. */
  readonly name: DataView;
  nameHash: number;
  /** Start of each label in the name. */
  readonly labelAt: Int32Array;

  // EDNS.
  hasOpt: boolean;
  payloadSize: number;
  dnssecOk: boolean;
  /** Bytes of the client-subnet option's data, or 0 where there is none. */
  subnetLength: number;
  /** A copy of them: the answer may be written over the query. */
  readonly subnet: Uint8Array;
  /** 0 (only with an empty prefix), 1 or 2: IANA address family. */
  subnetFamily: number;
  subnetPrefix: number;
  /** Options to answer with beside it: bits of WANTS (`options.ts`). */
  wants: number;
  cookieLength: number;
  /** Client cookie and server cookie; a copy, as above. */
  readonly cookie: Uint8Array;
  /** The query holds a server cookie that this client got from us: its address is not forged. */
  cookieValid: boolean;

  /** The longest existing suffix of the name, as a node: it tells the zone. -1 where no zone holds the name. */
  encloser: number;
  /** The pool that answers, or -1. */
  pool: number;
  /** How it was chosen: (POLICY << 2) | OUTCOME; -1 where nothing was to be chosen. */
  decision: number;

  // The answer so far.
  at: number;
  limit: number;
  rcode: number;
  authoritative: boolean;
  truncated: boolean;
  /** What the extended error option says: one of REASON (`reason.ts`). */
  reason: number;
  answers: number;
  authorities: number;
  additionals: number;
  scope: number;
  /** Offset in the message of the alias target written last. */
  aliasAt: number;
  /** DNAMEs passed so far. */
  dnames: number;
  /** The list in `steering` by which the last dynamic RRset was chosen. */
  steeringList: number;

  /** Where the client stands for rollouts, 0 to 1; below 0: where its address says. Set by the census alone. */
  divertAt: number;

  /** State of the generator behind weighted choices; the caller seeds it. */
  random: number;
  /** The client's address for geography: IPv4 as an int32, or 16 bytes. */
  clientFamily: 4 | 6;
  clientAddress: number;
  /** The family 1 address of the client-subnet option. */
  subnetAddress: number;
  readonly clientBytes: Uint8Array;

  readonly identity: Identity;
  snapshot: Snapshot;
  health: Int32Array;
  counters: Float64Array;
  /** Set only when somebody asks why (explain); null on the hot path. */
  trace: Trace | null;
}

/** `seed` starts the generator; 0 is replaced, since xorshift would stay there. */
export function createQuery(
  snapshot: Snapshot,
  health: Int32Array,
  counters: Float64Array,
  seed: number,
  identity: Identity = ANONYMOUS,
): Query {
  const nothing = new Uint8Array(0);
  const noView = new DataView(nothing.buffer);
  return {
    input: nothing,
    inputView: noView,
    start: 0,
    end: 0,
    output: nothing,
    outputView: noView,
    base: 0,
    transportLimit: 512,
    stream: false,
    encrypted: false,
    keepalive: -1,
    nowSeconds: 0,
    source: nothing,
    sourceAt: 0,
    sourceFamily: 4,
    nameLength: 0,
    labels: 0,
    type: 0,
    class: 0,
    questionEnd: 0,
    name: new DataView(new ArrayBuffer(264)),
    nameHash: 0,
    labelAt: new Int32Array(128),
    hasOpt: false,
    payloadSize: 512,
    dnssecOk: false,
    subnetLength: 0,
    subnet: new Uint8Array(20),
    subnetFamily: 0,
    subnetPrefix: 0,
    wants: 0,
    cookieLength: 0,
    cookie: new Uint8Array(FULL_BYTES_MAX),
    cookieValid: false,
    encloser: -1,
    pool: -1,
    decision: -1,
    at: 0,
    limit: 512,
    rcode: 0,
    authoritative: false,
    truncated: false,
    reason: 0,
    answers: 0,
    authorities: 0,
    additionals: 0,
    scope: 0,
    aliasAt: 0,
    dnames: 0,
    steeringList: 0,
    divertAt: -1,
    random: seed | 0 || 0x9e3779b9 | 0,
    clientFamily: 4,
    clientAddress: 0,
    subnetAddress: 0,
    clientBytes: new Uint8Array(16),
    identity,
    snapshot,
    health,
    counters,
    trace: null,
  };
}

/** Points a Query at a packet and at the place for its answer. Makes views only when the arrays are others than before. */
export function setPacket(
  query: Query,
  input: Uint8Array,
  start: number,
  end: number,
  output: Uint8Array,
  base: number,
): void {
  if (query.input !== input) {
    query.input = input;
    query.inputView = new DataView(input.buffer, input.byteOffset, input.byteLength);
  }
  if (query.output !== output) {
    query.output = output;
    query.outputView = new DataView(output.buffer, output.byteOffset, output.byteLength);
  }
  query.start = start;
  query.end = end;
  query.base = base;
}

/** The next draw, 0 ≤ draw < 2³² (xorshift32, Marsaglia 2003). */
export function draw(query: Query): number {
  let x = query.random;
  x ^= x << 13;
  x ^= x >>> 17;
  x ^= x << 5;
  query.random = x;
  return x >>> 0;
}
