// The same world for every server: a geo database of random prefixes, names of several kinds, and queries for them.
//
//   static  every name has one A record; queries with EDNS
//   geo     every name is answered by continent; queries with the subnet of a random client
//   mixed   a quarter of the names each: static (A and AAAA), by continent, by weight (one of three), all of four;
//           10 % of the queries for names that do not exist, 20 % for AAAA, half of the rest with a client subnet;
//           5 % of the queries by TCP
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

export const ZONE = 'bench.test';
export const ADDRESSES = { EU: '192.0.2.10', NA: '198.51.100.10', AS: '203.0.113.10' };
const CONTINENTS = Object.keys(ADDRESSES);

/** A small deterministic generator (mulberry32): equal seeds give equal worlds. */
export function generator(seed) {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Prefixes of /12 to /22 in 1.0.0.0 to 223.255.255.255, each in one continent. */
export function geoEntries(count, random) {
  const entries = new Map();
  while (entries.size < count) {
    const length = 12 + Math.floor(random() * 11);
    const address = ((1 + Math.floor(random() * 222)) << 24) | Math.floor(random() * 0x1000000);
    const network = (address & (-1 << (32 - length))) >>> 0;
    const prefix = `${[24, 16, 8, 0].map((shift) => (network >>> shift) & 255).join('.')}/${length}`;
    const continent = CONTINENTS[Math.floor(random() * CONTINENTS.length)];
    entries.set(prefix, {
      prefix,
      data: { continent: { code: continent }, country: { iso_code: COUNTRY[continent] } },
    });
  }
  return [...entries.values()];
}

const COUNTRY = { EU: 'DE', NA: 'US', AS: 'JP' };

/** What a name of a workload is. */
export function kindOf(workload, i) {
  return workload === 'mixed' ? MIXED[i % MIXED.length] : workload;
}

const MIXED = ['static', 'geo', 'weighted', 'multi'];
const [A, AAAA] = [1, 28];

/** Queries as dnsperf -B reads them: two bytes of length, then the message. */
export function queryFile(path, { names, count, random, workload }) {
  const messages = [];
  for (let i = 0; i < count; i++) {
    const message = QUERY[workload](names, random);
    const length = Buffer.alloc(2);
    length.writeUInt16BE(message.length);
    messages.push(length, message);
  }
  writeFileSync(path, Buffer.concat(messages));
}

const QUERY = {
  static: (names, random) => query(nameOf(below(names, random)), A, []),
  geo: (names, random) => query(nameOf(below(names, random)), A, subnet(random)),
  mixed(names, random) {
    const share = random();
    if (share < 0.1) return query(`no${below(1e9, random)}`, A, []);
    if (share < 0.3) return query(nameOf(MIXED.length * below(names / MIXED.length, random)), AAAA, []);
    return query(nameOf(below(names, random)), A, random() < 0.5 ? subnet(random) : []);
  },
};

export function query(name, type, options) {
  const labels = `${name}.${ZONE}`.split('.').flatMap((label) => [label.length, ...Buffer.from(label)]);
  const opt = [0, 0, 41, 4, 208, 0, 0, 0, 0, options.length >> 8, options.length & 255, ...options];
  return Buffer.from([0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, ...labels, 0, 0, type, 0, 1, ...opt]);
}

/** The client-subnet option of a random /24. */
export function subnet(random) {
  return [0, 8, 0, 7, 0, 1, 24, 0, 1 + below(222, random), below(256, random), below(256, random)];
}

function below(limit, random) {
  return Math.floor(random() * limit);
}

export function nameOf(i) {
  return `www${i}`;
}

/** By weight, and all at once. */
const WEIGHTED = { '192.0.2.20': 50, '192.0.2.21': 30, '192.0.2.22': 20 };
const MULTI = ['192.0.2.30', '192.0.2.31', '192.0.2.32', '192.0.2.33'];

/** One line for each name: `line[kind](name)`. */
function linesOf({ names, workload }, line) {
  return Array.from({ length: names }, (_, i) => line[kindOf(workload, i)](nameOf(i))).join('\n');
}

const LOOPBACK = '127.0.0.1';

/** Each writer puts one server's configuration into a folder and says how to start it. */
export const CONFIGURE = {
  meridian(folder, { port, host = LOOPBACK, xdp, mmdb, io, workers = 1, ...world }) {
    const zones = join(folder, 'zones');
    mkdirSync(zones, { recursive: true });
    const pool = (addresses, rest = '') => `{ endpoints: [ ${addresses.join(', ')} ]${rest} }`;
    const pools = [
      ...Object.entries(ADDRESSES).map(([code, address]) => `${code}: ${pool([`{ A: ${address} }`])}`),
      `weighted: ${pool(Object.entries(WEIGHTED).map(([address, weight]) => `{ A: ${address}, weight: ${weight} }`))}`,
      `multi: ${pool(
        MULTI.map((address) => `{ A: ${address} }`),
        ', pick: all',
      )}`,
    ];
    const dynamic = (rest) => `{ type: A, ttl: 60, dynamic: { ${rest} } }`;
    const records = linesOf(world, {
      static: (name) =>
        `  ${name}: [ { type: A, ttl: 60, value: ${ADDRESSES.NA} }, { type: AAAA, ttl: 60, value: "2001:db8::1" } ]`,
      geo: (name) =>
        `  ${name}: ${dynamic('rules: [ { geos: [EU], pool: EU }, { geos: [AS], pool: AS }, { pool: NA } ]')}`,
      weighted: (name) => `  ${name}: ${dynamic('steering: failover, pools: [ weighted ]')}`,
      multi: (name) => `  ${name}: ${dynamic('steering: failover, pools: [ multi ]')}`,
    });
    writeFileSync(
      join(zones, 'bench.yaml'),
      `zone: ${ZONE}\nnameservers: { ns1: { A: 192.0.2.53 } }\nsoa: { contact: hostmaster.${ZONE} }\npools:\n${pools.map((line) => `  ${line}`).join('\n')}\nrecords:\n${records}\n`,
    );
    writeFileSync(
      join(folder, 'meridian.yaml'),
      `node: { name: bench }\ndns: { listen: [ "${host}:${port}" ], workers: ${workers}, io: ${io}${xdp ? `, xdp: { interfaces: [ ${xdp} ] }` : ''} }\nzones: ./zones\nstate: ./state\ngeo: { database: ${mmdb} }\napi: { listen: off }\nlog: { level: warn }\n`,
    );
    return [process.execPath, ['dist/main.js', 'serve', '-c', join(folder, 'meridian.yaml')]];
  },

  gdnsd(folder, { port, host = LOOPBACK, mmdb, workers = 1, ...world }) {
    mkdirSync(join(folder, 'zones'), { recursive: true });
    mkdirSync(join(folder, 'geoip'), { recursive: true });
    const dcs = Object.keys(ADDRESSES);
    writeFileSync(
      join(folder, 'config'),
      `options => { listen => [ ${host}:${port} ], udp_threads => ${workers}, tcp_threads => ${workers}, zones_default_ttl => 60,
  run_dir => ${folder}, state_dir => ${folder}, edns_client_subnet => true, zones_strict_data => false }
service_types => { none => { plugin => null } }
plugins => {
  geoip => {
    maps => { m => { geoip2_db => ${mmdb}, datacenters => [ NA, EU, AS ], map => { EU => [ EU ], AS => [ AS ], NA => [ NA ], default => [ NA ] } } }
    resources => { r => { map => m, service_types => up, dcmap => { ${dcs.map((dc) => `${dc} => ${ADDRESSES[dc]}`).join(', ')} } } } }
  weighted => { w => { service_types => up, ${Object.entries(WEIGHTED)
    .map(([address, weight], i) => `e${i} => [ ${address}, ${weight} ]`)
    .join(', ')} } }
  multifo => { all => { service_types => up, ${MULTI.map((address, i) => `e${i} => ${address}`).join(', ')} } }
}
`,
    );
    const records = linesOf(world, {
      static: (name) => `${name} 60 A ${ADDRESSES.NA}\n${name} 60 AAAA 2001:db8::1`,
      geo: (name) => `${name} 60 DYNA geoip!r`,
      weighted: (name) => `${name} 60 DYNA weighted!w`,
      multi: (name) => `${name} 60 DYNA multifo!all`,
    });
    writeFileSync(
      join(folder, 'zones', ZONE),
      `@ SOA ns1 hostmaster 1 7200 1800 259200 900\n@ NS ns1\nns1 A 192.0.2.53\n${records}\n`,
    );
    return ['/usr/sbin/gdnsd', ['-c', folder, 'start']];
  },

  knot(folder, { port, host = LOOPBACK, xdp, mmdb, workers = 1, ...world }) {
    mkdirSync(folder, { recursive: true });
    const none = () => '';
    const geo = linesOf(world, {
      static: none,
      weighted: none,
      multi: none,
      geo: (name) =>
        `${name}.${ZONE}:\n${Object.entries(ADDRESSES)
          .map(([code, address]) => `  - geo: "${code}"\n    A: ${address}`)
          .join('\n')}`,
    });
    const weighted = linesOf(world, {
      static: none,
      geo: none,
      multi: none,
      weighted: (name) =>
        `${name}.${ZONE}:\n${Object.entries(WEIGHTED)
          .map(([address, weight]) => `  - weight: ${weight}\n    A: ${address}`)
          .join('\n')}`,
    });
    const modules = [
      { id: 'geo', lines: geo, mode: `geodb\n    geodb-file: ${mmdb}\n    geodb-key: [ continent/code ]` },
      { id: 'weighted', lines: weighted, mode: 'weighted' },
    ].filter(({ lines }) => lines.trim() !== '');
    for (const { id, lines } of modules) writeFileSync(join(folder, `${id}.conf`), `${lines}\n`);
    const one = (name) => `${name} A ${ADDRESSES.NA}`;
    const records = linesOf(world, {
      static: (name) => `${one(name)}\n${name} AAAA 2001:db8::1`,
      geo: one,
      weighted: one,
      multi: (name) => MULTI.map((address) => `${name} A ${address}`).join('\n'),
    });
    writeFileSync(
      join(folder, `${ZONE}.zone`),
      `$ORIGIN ${ZONE}.\n$TTL 60\n@ SOA ns1 hostmaster 1 7200 1800 259200 900\n@ NS ns1\nns1 A 192.0.2.53\n${records}\n`,
    );
    const sections = modules
      .map(
        ({ id, mode }) =>
          `  - id: ${id}\n    config-file: ${folder}/${id}.conf\n    ttl: 60\n    mode: ${mode}\n`,
      )
      .join('');
    const used = modules.map(({ id }) => `mod-geoip/${id}`).join(', ');
    writeFileSync(
      join(folder, 'knot.conf'),
      `server:
  listen: ${host}@${port}
  udp-workers: ${workers}
  tcp-workers: ${workers}
  background-workers: 1
  edns-client-subnet: on
  rundir: ${folder}
${xdp ? `xdp:\n  listen: ${xdp}@${port}\n` : ''}database:
  storage: ${folder}
${modules.length > 0 ? `mod-geoip:\n${sections}` : ''}zone:
  - domain: ${ZONE}
    file: ${folder}/${ZONE}.zone
${used === '' ? '' : `    module: [ ${used} ]\n`}`,
    );
    return ['/usr/sbin/knotd', ['-c', join(folder, 'knot.conf')]];
  },

  /** Only the geo workload: its backend answers by patterns of the name. */
  powerdns(folder, { port, host = LOOPBACK, mmdb, ...world }) {
    mkdirSync(folder, { recursive: true });
    const services = linesOf(world, { geo: (name) => `    ${name}.${ZONE}: '%cn.geo.${ZONE}'` });
    const targets = Object.entries(ADDRESSES).map(
      ([code, address]) =>
        `    ${code.toLowerCase()}.geo.${ZONE}:\n      - a: { content: ${address}, ttl: 60 }`,
    );
    writeFileSync(
      join(folder, 'geo.yaml'),
      `domains:\n- domain: ${ZONE}\n  ttl: 60\n  records:\n    ${ZONE}:\n      - soa: ns1.${ZONE} hostmaster.${ZONE} 1 7200 1800 259200 900\n      - ns: ns1.${ZONE}\n${targets.join('\n')}\n  services:\n${services}\n`,
    );
    writeFileSync(
      join(folder, 'pdns.conf'),
      `launch=geoip\ngeoip-database-files=mmdb:${mmdb}\ngeoip-zones-file=${folder}/geo.yaml\nlocal-address=${host}\nlocal-port=${port}\nreceiver-threads=1\ndistributor-threads=1\nedns-subnet-processing=yes\nsocket-dir=${folder}\nexpand-alias=no\nsecurity-poll-suffix=\n`,
    );
    return ['/usr/sbin/pdns_server', [`--config-dir=${folder}`, '--daemon=no', '--guardian=no']];
  },
};

/** Writes the geo database of `geoEntries`; returns its path. */
export async function writeGeo(path, prefixes, random) {
  const { writeMmdb } = await compiledWriter();
  writeFileSync(
    path,
    writeMmdb(geoEntries(prefixes, random), { databaseType: 'GeoIP2-City', recordSize: 24 }),
  );
  return path;
}

/** The tests' own mmdb writer, compiled beside the project so that its imports are found. */
async function compiledWriter() {
  const out = resolve('node_modules/.cache/meridian-bench');
  const config = join(out, 'tsconfig.json');
  mkdirSync(out, { recursive: true });
  writeFileSync(
    config,
    JSON.stringify({
      extends: resolve('tsconfig.json'),
      compilerOptions: {
        noEmit: false,
        outDir: out,
        rootDir: resolve('.'),
        types: ['node'],
        typeRoots: [resolve('node_modules/@types')],
      },
      files: [resolve('test/support/mmdb-writer.ts')],
      include: [],
    }),
  );
  const compiled = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', config], {
    stdio: 'inherit',
  });
  if (compiled.status !== 0) throw new Error('the writer of geo databases does not compile');
  return import(pathToFileURL(join(out, 'test/support/mmdb-writer.js')).href);
}
