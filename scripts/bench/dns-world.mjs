// The same world for every server: a geo database of random prefixes, 1,000 names answered by continent, and
// queries for them with random client subnets.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

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

/** Queries as dnsperf -B reads them: two bytes of length, then the message. */
export function queryFile(path, { names, count, random }) {
  const messages = [];
  for (let i = 0; i < count; i++) {
    const name = `www${Math.floor(random() * names)}.${ZONE}`;
    const labels = name.split('.').flatMap((label) => [label.length, ...Buffer.from(label)]);
    const subnet = [1 + Math.floor(random() * 222), Math.floor(random() * 256), Math.floor(random() * 256)];
    const opt = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 11, 0, 8, 0, 7, 0, 1, 24, 0, ...subnet];
    const message = Buffer.from([0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, ...labels, 0, 0, 1, 0, 1, ...opt]);
    const length = Buffer.alloc(2);
    length.writeUInt16BE(message.length);
    messages.push(length, message);
  }
  writeFileSync(path, Buffer.concat(messages));
}

export function namesOf(count) {
  return Array.from({ length: count }, (_, i) => `www${i}`);
}

/** Each writer puts one server's configuration into a folder and says how to start it. */
export const CONFIGURE = {
  meridian(folder, { names, port, mmdb, io }) {
    const zones = join(folder, 'zones');
    mkdirSync(zones, { recursive: true });
    const pools = Object.entries(ADDRESSES).map(
      ([code, address]) => `  ${code}: { endpoints: [ { A: ${address} } ] }`,
    );
    const record =
      '{ type: A, ttl: 60, dynamic: { rules: [ { geos: [EU], pool: EU }, { geos: [AS], pool: AS }, { pool: NA } ] } }';
    writeFileSync(
      join(zones, 'bench.yaml'),
      `zone: ${ZONE}\nnameservers: { ns1: { A: 192.0.2.53 } }\nsoa: { contact: hostmaster.${ZONE} }\npools:\n${pools.join('\n')}\nrecords:\n${namesOf(
        names,
      )
        .map((name) => `  ${name}: ${record}`)
        .join('\n')}\n`,
    );
    writeFileSync(
      join(folder, 'meridian.yaml'),
      `node: { name: bench }\ndns: { listen: [ "127.0.0.1:${port}" ], workers: 1, io: ${io} }\nzones: ./zones\nstate: ./state\ngeo: { database: ${mmdb} }\napi: { listen: off }\nlog: { level: warn }\n`,
    );
    return [process.execPath, ['dist/main.js', 'serve', '-c', join(folder, 'meridian.yaml')]];
  },

  gdnsd(folder, { names, port, mmdb }) {
    mkdirSync(join(folder, 'zones'), { recursive: true });
    mkdirSync(join(folder, 'geoip'), { recursive: true });
    const dcs = Object.keys(ADDRESSES);
    writeFileSync(
      join(folder, 'config'),
      `options => { listen => [ 127.0.0.1:${port} ], udp_threads => 1, tcp_threads => 1, zones_default_ttl => 60,
  run_dir => ${folder}, state_dir => ${folder}, edns_client_subnet => true, zones_strict_data => false }
service_types => { none => { plugin => null } }
plugins => { geoip => {
  maps => { m => { geoip2_db => ${mmdb}, datacenters => [ NA, EU, AS ], map => { EU => [ EU ], AS => [ AS ], NA => [ NA ], default => [ NA ] } } }
  resources => { r => { map => m, service_types => up, dcmap => { ${dcs.map((dc) => `${dc} => ${ADDRESSES[dc]}`).join(', ')} } } } } }
`,
    );
    writeFileSync(
      join(folder, 'zones', ZONE),
      `@ SOA ns1 hostmaster 1 7200 1800 259200 900\n@ NS ns1\nns1 A 192.0.2.53\n${namesOf(names)
        .map((name) => `${name} 60 DYNA geoip!r`)
        .join('\n')}\n`,
    );
    return ['/usr/sbin/gdnsd', ['-c', folder, 'start']];
  },

  knot(folder, { names, port, mmdb }) {
    mkdirSync(folder, { recursive: true });
    const records = namesOf(names)
      .map((name) => {
        const rules = Object.entries(ADDRESSES).map(
          ([code, address]) => `  - geo: "${code}"\n    A: ${address}`,
        );
        return `${name}.${ZONE}:\n${rules.join('\n')}`;
      })
      .join('\n');
    writeFileSync(join(folder, 'geo.conf'), `${records}\n`);
    writeFileSync(
      join(folder, `${ZONE}.zone`),
      `$ORIGIN ${ZONE}.\n$TTL 60\n@ SOA ns1 hostmaster 1 7200 1800 259200 900\n@ NS ns1\nns1 A 192.0.2.53\n${namesOf(
        names,
      )
        .map((name) => `${name} A ${ADDRESSES.NA}`)
        .join('\n')}\n`,
    );
    writeFileSync(
      join(folder, 'knot.conf'),
      `server:
  listen: 127.0.0.1@${port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
  edns-client-subnet: on
  rundir: ${folder}
database:
  storage: ${folder}
mod-geoip:
  - id: geo
    config-file: ${folder}/geo.conf
    ttl: 60
    mode: geodb
    geodb-file: ${mmdb}
    geodb-key: [ continent/code ]
zone:
  - domain: ${ZONE}
    file: ${folder}/${ZONE}.zone
    module: mod-geoip/geo
`,
    );
    return ['/usr/sbin/knotd', ['-c', join(folder, 'knot.conf')]];
  },

  powerdns(folder, { names, port, mmdb }) {
    mkdirSync(folder, { recursive: true });
    const services = namesOf(names).map((name) => `    ${name}.${ZONE}: '%cn.geo.${ZONE}'`);
    const targets = Object.entries(ADDRESSES).map(
      ([code, address]) =>
        `    ${code.toLowerCase()}.geo.${ZONE}:\n      - a: { content: ${address}, ttl: 60 }`,
    );
    writeFileSync(
      join(folder, 'geo.yaml'),
      `domains:\n- domain: ${ZONE}\n  ttl: 60\n  records:\n    ${ZONE}:\n      - soa: ns1.${ZONE} hostmaster.${ZONE} 1 7200 1800 259200 900\n      - ns: ns1.${ZONE}\n${targets.join('\n')}\n  services:\n${services.join('\n')}\n`,
    );
    writeFileSync(
      join(folder, 'pdns.conf'),
      `launch=geoip\ngeoip-database-files=mmdb:${mmdb}\ngeoip-zones-file=${folder}/geo.yaml\nlocal-address=127.0.0.1\nlocal-port=${port}\nreceiver-threads=1\ndistributor-threads=1\nedns-subnet-processing=yes\nsocket-dir=${folder}\nexpand-alias=no\nsecurity-poll-suffix=\n`,
    );
    return ['/usr/sbin/pdns_server', [`--config-dir=${folder}`, '--daemon=no', '--guardian=no']];
  },
};
