import type { Comparable } from './differential-peers.js';
import type { DifferentialQuery } from './differential-queries.js';

/** A way in which another server answers otherwise, on purpose or by choice. docs/differences.md lists them all. */
export interface Difference {
  readonly id: string;
  readonly peers: readonly ('knot' | 'gdnsd')[];
  /** What may differ because of it. */
  readonly fields: readonly (keyof Comparable)[];
  readonly reason: string;
  readonly applies: (query: DifferentialQuery, ours: Comparable, theirs: Comparable) => boolean;
}

const BOTH = ['knot', 'gdnsd'] as const;
const RECORDS = ['answer', 'authority', 'additional'] as const;
const ALL = ['rcode', 'aa', 'tc', 'flags', ...RECORDS] as const;
const LOOPS = /^(?:loop1|loop2|self)\./;
const ALIASES = /^(?:c1|c2|c3|c-\w+|[*x]\.cwild|loop1|loop2|self)\./;
const has = (query: DifferentialQuery, ...details: readonly string[]) =>
  details.some((detail) => query.what.includes(detail));
const opcodeOf = ({ bytes }: DifferentialQuery) => (bytes[2]! >> 3) & 0x0f;

/** All known differences. Each must be seen in a run: one that is gone is to be taken out. */
export const DIFFERENCES: readonly Difference[] = [
  {
    id: 'any-is-small',
    peers: ['knot'],
    fields: ['answer', 'additional', 'tc'],
    reason: 'ANY gets one small HINFO record (RFC 8482 §4.2); Knot gives one RRset of the name.',
    applies: ({ type }, ours) => type === 255 && ours.answer.includes(' 3600 13 '),
  },
  {
    id: 'any-at-empty-names',
    peers: ['gdnsd'],
    fields: ['answer', 'authority'],
    reason:
      'ANY at an empty non-terminal is NODATA with the SOA (RFC 2308 §2.2); gdnsd gives its HINFO record there too.',
    applies: ({ type }, ours, theirs) =>
      type === 255 && ours.answer === '' && theirs.answer.includes(' 3600 13 '),
  },
  {
    id: 'no-extra-addresses',
    peers: ['knot'],
    fields: ['additional'],
    reason:
      'Addresses of MX, SRV and NS targets are not added to answers: they are optional, and resolvers ask for them.',
    applies: ({ type }, ours) => [2, 15, 33, 255].includes(type) && ours.aa && ours.additional === '',
  },
  {
    id: 'no-referral-behind-alias',
    peers: ['knot'],
    fields: ['authority', 'additional'],
    reason:
      'An alias to a name below a delegation ends the answer; Knot adds the referral. The resolver asks for the last name in both cases.',
    applies: ({ name }) => name.startsWith('c-child.'),
  },
  {
    id: 'truncated-without-alias',
    peers: ['knot'],
    fields: ['answer'],
    reason:
      'A truncated answer is empty (RFC 2181 §9); Knot leaves the alias in front of the missing records.',
    applies: ({ name }, ours) => name.startsWith('c-large.') && ours.tc,
  },
  {
    id: 'extended-errors',
    peers: ['gdnsd'],
    fields: ['flags'],
    reason: 'Refusals say why in an extended error (RFC 8914), as those of Knot do; gdnsd has none.',
    applies: (_query, ours) => ours.rcode === 5 && ours.flags.includes('[15]'),
  },
  {
    id: 'cd-is-copied',
    peers: BOTH,
    fields: ['flags'],
    reason: 'CD is copied from the query, as RFC 4035 §3.1.6 asks; the others clear it.',
    applies: ({ bytes }) => (bytes[3]! & 0x10) !== 0,
  },
  {
    id: 'type-zero-and-opt',
    peers: BOTH,
    fields: ['rcode', 'aa', 'authority'],
    reason: 'A question for type 0 or OPT is malformed: FORMERR.',
    applies: ({ type }) => type === 0 || type === 41,
  },
  {
    id: 'meta-types',
    peers: ['knot'],
    fields: ['rcode', 'aa', 'authority'],
    reason: 'TKEY, TSIG, MAILA and MAILB name no data: NOTIMP. Knot says that the name has no such type.',
    applies: ({ type }) => [249, 250, 253, 254].includes(type),
  },
  {
    id: 'transfers',
    peers: BOTH,
    fields: ['rcode'],
    reason:
      'AXFR and IXFR are refused as a matter of policy (RFC 5936 §2.2.1); the others say NOTIMP by UDP, Knot NOTAUTH to IXFR.',
    applies: ({ type }) => type === 251 || type === 252,
  },
  {
    id: 'malformed-is-answered',
    peers: ['knot'],
    fields: ['rcode', 'flags'],
    reason:
      'A header without a readable single question gets FORMERR (RFC 8906 §3.1, RFC 9619); Knot is silent.',
    applies: (query, ours, theirs) =>
      ours.rcode === 1 && theirs.rcode === 'none' && has(query, '"wire"', '"counts":[0]', '"counts":[2]'),
  },
  {
    id: 'notify-and-update',
    peers: BOTH,
    fields: ['rcode'],
    reason:
      'NOTIFY and UPDATE are not implemented: NOTIMP. Knot implements both and says NOTAUTH or FORMERR to these.',
    applies: (query) => opcodeOf(query) > 3,
  },
  {
    id: 'opt-owner',
    peers: BOTH,
    fields: ALL,
    reason: 'OPT must be owned by the root (RFC 6891 §6.1.2): FORMERR. The others take it, or ignore it.',
    applies: (query) => has(query, '"owner"'),
  },
  {
    id: 'opt-in-formerr',
    peers: ['knot'],
    fields: ['flags'],
    reason:
      'FORMERR for two OPT records carries OPT, since the query had one (RFC 6891 §6.1.1); Knot leaves it out.',
    applies: (query) => has(query, '"opts":[{},{}]'),
  },
  {
    id: 'bytes-behind-the-end',
    peers: ['gdnsd'],
    fields: ALL,
    reason: 'Bytes behind the last record make the message malformed: FORMERR. gdnsd ignores them.',
    applies: (query) => has(query, '"trailer"'),
  },
  {
    id: 'aliases-are-followed',
    peers: ['gdnsd'],
    fields: ALL,
    reason:
      'Aliases are followed within the zone (RFC 1034 §4.3.2), with the RCODE of the last name (RFC 6604); gdnsd answers with the first alias alone.',
    applies: ({ name, type }) => ALIASES.test(name) && !LOOPS.test(name) && type !== 5,
  },
  {
    id: 'alias-loops',
    peers: ['gdnsd'],
    fields: ALL,
    reason:
      'A zone with an alias loop is served, each alias once in an answer; gdnsd does not load such a zone, so its copy lacks them.',
    applies: ({ name }) => LOOPS.test(name),
  },
  {
    id: 'ds-at-the-cut',
    peers: ['gdnsd'],
    fields: ALL,
    reason:
      'DS belongs to the parent side of a delegation and is answered there (RFC 4035 §3.1.4.1); gdnsd has no DS and refers.',
    applies: ({ name, type }) => type === 43 && /^(?:child|sibling|bare|signed)\./.test(name),
  },
  {
    id: 'soa-ttl',
    peers: ['gdnsd'],
    fields: ['answer'],
    reason:
      'The SOA record keeps its own TTL in answers; only in negative answers is it cut to the minimum (RFC 2308 §3). gdnsd cuts it always.',
    applies: ({ type }, ours, theirs) =>
      type === 6 && ours.answer.replace(' 900 6 ', ' 60 6 ') === theirs.answer,
  },
  {
    id: 'chaos-version',
    peers: ['gdnsd'],
    fields: ['rcode', 'aa', 'answer'],
    reason: 'gdnsd answers any question of class CH with its version.',
    applies: (query) => has(query, '"class":3'),
  },
  {
    id: 'keepalive-unasked',
    peers: ['gdnsd'],
    fields: ['flags'],
    reason:
      'gdnsd sends the keepalive option on TCP to whoever sends OPT; RFC 7828 §3.3.2 has it only after the client did, or unasked as a choice.',
    applies: ({ tcp }, _ours, theirs) => tcp && theirs.flags.includes('[11]'),
  },
];
