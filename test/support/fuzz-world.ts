import {
  addChallengeName,
  createChallengeTable,
  setChallengeValues,
} from '../../src/core/answer/challenge-table.js';
import { compileSnapshot } from '../../src/core/answer/compile.js';
import { COUNTER } from '../../src/core/answer/counters.js';
import { EMPTY_LOCATIONS } from '../../src/core/geo/location.js';
import { createHealthTable, healthTableBytes } from '../../src/core/health/word.js';
import { Responder } from '../../src/dataplane/responder.js';
import { formatProblem } from '../../src/sources/yaml-document.js';
import { loadZoneFile } from '../../src/sources/zone-file.js';
import { wireOf } from './packet.js';
import { tcpLimits } from './tcp-limits.js';

/** Largest answer by UDP of the fuzzed responders. */
export const FUZZ_DATAGRAM_MAX = 1232;

const many = Array.from({ length: 70 }, (_, i) => `198.51.100.${i}`).join(', ');
const texts = Array.from({ length: 40 }, (_, i) => `"${`${i}`.padEnd(250, 't')}"`).join(', ');
const HEAD = 'ttl: 300\nnameservers: { ns1: { A: 192.0.2.53 } }\nsoa: { ttl: 900, minimum: 60 }\n';

/** Zone files with something of everything that the query path knows. */
export const FUZZ_ZONES: Readonly<Record<string, string>> = {
  'example.com': `zone: example.com
${HEAD}pools:
  a: { pick: hash, endpoints: [{ A: 192.0.2.1, AAAA: "2001:db8::1" }, { A: 192.0.2.2 }] }
  b: { endpoints: [{ A: 192.0.2.3, weight: 3 }, { A: 192.0.2.4 }] }
  c: { endpoints: [{ CNAME: www.example.com. }, { CNAME: www.example.org. }] }
  d: { pick: all, endpoints: [{ A: 192.0.2.5, AAAA: "2001:db8::5" }, { A: 192.0.2.6, AAAA: "2001:db8::6" }] }
  e: { answers: 3, endpoints: [{ A: 192.0.2.7, weight: 2 }, { A: 192.0.2.8 }, { A: 192.0.2.9 }, { A: 192.0.2.10, weight: 0 }] }
  g: { endpoints: [{ CNAME: www.example.com. }, { CNAME: many.example.com. }] }
  f: { pick: hash, answers: 2, endpoints: [{ A: 192.0.2.11 }, { A: 192.0.2.12 }, { A: 192.0.2.13 }] }
records:
  "":
    - { type: ALIAS, value: www.example.com. }
    - { type: HTTPS, value: { svcpriority: 1, targetname: ., svcparams: { alpn: [h2], ipv4hint: auto, ipv6hint: auto } } }
  some: { type: A, dynamic: { rules: [{ subnets: [203.0.113.0/24], pool: e }, { pool: f }] } }
  inner: { type: CNAME, dynamic: { rules: [{ pool: g }] } }
  a1: { type: ALIAS, value: inner.example.com. }
  a2: { type: ALIAS, value: many.example.com. }
  d1: { type: DNAME, value: wild.example.com. }
  d2: { type: DNAME, value: d1.example.com. }
  d3: { type: DNAME, value: more.d3.example.com. }
  c5: { type: CNAME, value: b.d2.example.com. }
  www: { type: [A, AAAA], dynamic: { rules: [{ subnets: [203.0.113.0/24, "2001:db8:7::/48"], pool: a }, { pool: b }] } }
  all: { type: [A, AAAA], dynamic: { rules: [{ pool: d }] } }
  alias: { type: CNAME, dynamic: { steering: weighted, pools: { c: 1 } } }
  many: [{ type: A, values: [${many}] }, { type: TXT, values: [${texts}] }]
  c1: { type: CNAME, value: c2.example.com. }
  c2: { type: CNAME, value: c3.b.wild.example.com. }
  c4: { type: CNAME, value: many.example.com. }
  loop: { type: CNAME, value: loop2.example.com. }
  loop2: { type: CNAME, value: loop.example.com. }
  child: { type: NS, values: [ns.child.example.com., ns2.child.example.com., ns.example.net.] }
  ns.child: [{ type: A, value: 192.0.2.61 }, { type: AAAA, value: "2001:db8::61" }]
  ns2.child: { type: A, values: [192.0.2.62, 192.0.2.63] }
  "*.wild": { type: MX, value: { preference: 1, exchange: many.example.com. } }
  "*.b.wild": { type: CNAME, value: c4.example.com. }
  x.y.z: [{ type: TYPE65280, values: ["\\\\# 3 00ff10", "\\\\# 2 c00c"] }, { type: SRV, value: { priority: 0, weight: 5, port: 53, target: www.example.com. } }]
`,
  'other.example.com': `zone: other.example.com\n${HEAD}records:\n  "": { type: A, value: 192.0.2.9 }\n`,
};

/** A responder with the fuzz world behind it, as a worker has it. Equal seeds choose alike. */
export function fuzzResponder(seed: number, onFault: (error: unknown) => void) {
  const zones = Object.entries(FUZZ_ZONES).map(([name, text]) => {
    const result = loadZoneFile(`${name}.yaml`, text, { serial: 1 });
    if ('problems' in result) throw new Error(result.problems.map(formatProblem).join('\n'));
    return result.zone;
  });
  const compiled = compileSnapshot({ id: 1, zones, geo: EMPTY_LOCATIONS, slotOf: () => 2 });
  const snapshot = { ...compiled.snapshot, challenges: fuzzChallenges() };
  const health = createHealthTable(new SharedArrayBuffer(healthTableBytes(64)), 64);
  const counters = new Float64Array(COUNTER.SIZE);
  const options = {
    listen: [],
    io: 'portable',
    shared: false,
    datagramMax: FUZZ_DATAGRAM_MAX,
    tcp: tcpLimits(),
    proxies: [],
  } as const;
  return { counters, responder: new Responder({ options, snapshot, health, counters, seed }, onFault) };
}

/** At names with records and without, below a wildcard, and where an alias leads. */
function fuzzChallenges(): Int32Array {
  const table = createChallengeTable(8);
  for (const name of ['www', 'many', 'c3.b.wild', 'nope', 'a.nope', 'child']) {
    const wire = wireOf(`${name}.example.com`);
    addChallengeName(table, wire);
    const values = ['a', 'b'].map((letter) => ({ text: letter.repeat(43), expires: 0x7fff_ffff }));
    if (name !== 'nope') setChallengeValues(table, wire, values);
  }
  return table;
}
