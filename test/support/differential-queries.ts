import { DIFFERENTIAL_ZONE, differentialNames } from './differential-zone.js';
import { type PacketSpec, packet, subnetData } from './packet.js';

export interface DifferentialQuery {
  readonly what: string;
  readonly name: string;
  readonly type: number;
  readonly tcp: boolean;
  readonly bytes: Uint8Array;
}

/** A, CNAME, MX, TXT, DS, and ANY for each name; everything else for some. */
const TYPES = [1, 5, 15, 16, 43, 255];
const ALL_TYPES = [
  2, 6, 10, 12, 28, 33, 35, 39, 46, 47, 48, 50, 52, 64, 65, 99, 256, 257, 1000, 65_280, 65_534,
];
const WWW = `www.${DIFFERENTIAL_ZONE}.`;

/** Several hundred queries for the shared zone, each with a text that names it. */
export function differentialQueries(): readonly DifferentialQuery[] {
  const names = differentialNames();
  const some = [
    '',
    'www.',
    'unknown.',
    'child.',
    'signed.',
    'no.',
    'ent.',
    'https.',
    'caa.',
    'naptr.',
    '_sip._tcp.',
    'ptr.',
  ];
  return [
    ...names.flatMap((name) => TYPES.map((type) => query({ name, type, opts: [{}] }))),
    ...some.flatMap((name) =>
      ALL_TYPES.map((type) => query({ name: `${name}${DIFFERENTIAL_ZONE}.`, type, opts: [{}] })),
    ),
    ...oddities().map((spec) => query(spec)),
    ...[
      { name: WWW },
      { name: `huge.${DIFFERENTIAL_ZONE}.`, type: 16 },
      { name: `no.${DIFFERENTIAL_ZONE}.` },
    ].flatMap((spec) => [query({ ...spec, opts: [{}] }, true), query(spec, true)]),
  ];
}

/** Sizes, flags, opcodes, classes, EDNS. */
function oddities(): readonly PacketSpec[] {
  const sized = ['large', 'huge', 'c-large', 'www', 'child'].flatMap((name) =>
    [undefined, 0, 512, 600, 1000, 1232, 4096].map((payload) => ({
      name: `${name}.${DIFFERENTIAL_ZONE}.`,
      type: name === 'huge' || name === 'www' ? 16 : 1,
      opts: payload === undefined ? [] : [{ payload }],
    })),
  );
  const flags = [0x0100, 0x0010, 0x0020, 0x0040, 0x0080, 0x0200, 0x0400, 0x01b0].flatMap((bits) => [
    { name: WWW, flags: bits },
    { name: WWW, flags: bits, opts: [{}] },
  ]);
  const opcodes = Array.from({ length: 15 }, (_, i) => ({ name: WWW, flags: (i + 1) << 11 }));
  const classes = [0, 2, 3, 4, 254, 255, 1000].map((qclass) => ({ name: WWW, class: qclass }));
  const elsewhere = ['.', 'test.', 'example.net.', 'xdiff.test.', 'www.diff.testing.'].map((name) => ({
    name,
    opts: [{}],
  }));
  const edns: PacketSpec[] = [
    { name: WWW, opts: [{ version: 1 }] },
    { name: WWW, opts: [{ version: 255 }] },
    { name: WWW, opts: [{ flags: 0x8000 }] },
    { name: WWW, opts: [{ flags: 0x4000 }] },
    { name: WWW, opts: [{ flags: 0xffff }] },
    { name: WWW, opts: [{}, {}] },
    { name: WWW, opts: [{ owner: [1, 97, 0] }] },
    { name: WWW, opts: [{ options: [[65_001, [1, 2]]] }] },
    { name: WWW, opts: [{ options: [[8, subnetData(1, 24, 0, [192, 0, 2])]] }] },
    { name: WWW, opts: [{ options: [[8, subnetData(1, 33, 0, [192, 0, 2, 1, 0])]] }] },
    { name: WWW, opts: [{ options: [[8, subnetData(9, 24, 0, [192, 0, 2])]] }] },
  ];
  const malformed: PacketSpec[] = [
    { name: WWW, counts: [0] },
    { name: WWW, counts: [2] },
    { name: WWW, counts: [1, 1] },
    { name: WWW, trailer: [0] },
    { name: WWW, counts: [1, 0, 0, 1] },
    { wire: [0xc0, 12] },
  ];
  const meta = [249, 250, 251, 252, 253, 254, 0, 41].map((type) => ({ name: `${DIFFERENTIAL_ZONE}.`, type }));
  return [...sized, ...flags, ...opcodes, ...classes, ...elsewhere, ...edns, ...malformed, ...meta];
}

function query(spec: PacketSpec, tcp = false): DifferentialQuery {
  const name = spec.name ?? '?';
  const type = spec.type ?? 1;
  const { name: _name, type: _type, ...rest } = spec;
  const details = JSON.stringify(rest) === '{"opts":[{}]}' ? '' : ` ${JSON.stringify(rest)}`;
  return { what: `${name} ${type}${tcp ? ' tcp' : ''}${details}`, name, type, tcp, bytes: packet(spec) };
}
