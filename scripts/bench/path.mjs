// npm run bench:path [-- --names 1000 --rounds 30 --kind geo --limits]
//
// What the query path alone costs, without sockets: nanoseconds for a datagram through the responder (parse, answer, write), by
// kind of query; the least of the rounds, which other work on the machine disturbs least. A query is first copied into its
// slot, as the kernel would do; the cost of an empty handler is taken off.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { compileSnapshot } from '../../dist/core/answer/compile.js';
import { COUNTER } from '../../dist/core/answer/counters.js';
import { createHealthTable, healthTableBytes } from '../../dist/core/health/word.js';
import { healthTargets } from '../../dist/core/zone/targets.js';
import { createLedgerMemory, Ledger } from '../../dist/dataplane/ledger.js';
import { Responder } from '../../dist/dataplane/responder.js';
import { loadGeoDatabase } from '../../dist/sources/geo-database.js';
import { loadZoneFile } from '../../dist/sources/zone-file.js';
import { CONFIGURE, generator, kindOf, nameOf, query, subnet, writeGeo } from './dns-world.mjs';

const { values: options } = parseArgs({
  options: {
    names: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '30' },
    kind: { type: 'string' },
    limits: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
  },
});
const NAMES = Number(options.names);
const [A, AAAA] = [1, 28];
const QUERIES = 4096;
const SLOT_BYTES = 2112;
const SLOTS = 14;
const TURNS = 40;
const random = generator(Number(options.seed));
const responder = await build();
const rest = { slots: new Uint8Array(SLOTS * SLOT_BYTES), source: Uint8Array.of(0, 0, 0, 0, 127, 0, 0, 1) };

const KINDS = {
  'static A': () => query(pick('static'), A, []),
  'static AAAA': () => query(pick('static'), AAAA, []),
  geo: () => query(pick('geo'), A, subnet(random)),
  'geo, no subnet': () => query(pick('geo'), A, []),
  weighted: () => query(pick('weighted'), A, []),
  multi: () => query(pick('multi'), A, []),
  NXDOMAIN: () => query(`no${Math.floor(random() * 1e9)}`, A, []),
};

const empty = least(
  () => query(pick('static'), A, []),
  (_input, start, end) => end - start,
);
for (const [kind, make] of Object.entries(KINDS)) {
  if (options.kind && options.kind !== kind) continue;
  console.log(`${kind.padEnd(16)} ${(least(make, responder.datagram) - empty).toFixed(0).padStart(5)} ns`);
}

function pick(kind) {
  for (;;) {
    const i = Math.floor(random() * NAMES);
    if (kindOf('mixed', i) === kind) return nameOf(i);
  }
}

/** Nanoseconds for a query in the quickest round. */
function least(make, handler) {
  const messages = Array.from({ length: QUERIES }, make);
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < Number(options.rounds); round++) {
    const start = process.hrtime.bigint();
    for (let turn = 0; turn < TURNS; turn++) answerAll(messages, handler);
    best = Math.min(best, Number(process.hrtime.bigint() - start) / (TURNS * QUERIES));
  }
  return best;
}

function answerAll(messages, handler) {
  const { slots, source } = rest;
  for (let i = 0; i < messages.length; i++) {
    const message = messages[i];
    const start = (i % SLOTS) * SLOT_BYTES;
    slots.set(message, start);
    const length = handler(slots, start, start + message.length, slots, start, source, 4, 4);
    if (length === 0) throw new Error('no answer');
  }
}

/** The responder of the mixed workload, on the geo database that the other benchmarks use. */
async function build() {
  const folder = mkdtempSync(join(tmpdir(), 'meridian-path-'));
  try {
    const mmdb = await writeGeo(join(folder, 'geo.mmdb'), 20_000, random);
    CONFIGURE.meridian(folder, { workload: 'mixed', names: NAMES, port: 0, mmdb, io: 'batched' });
    const file = join(folder, 'zones', 'bench.yaml');
    const { zone } = loadZoneFile(file, readFileSync(file, 'utf8'), { serial: 1 });
    const { trie } = await loadGeoDatabase([mmdb], { nowMs: Date.now });
    const slots = new Map([...healthTargets(zone).keys()].map((key, i) => [key, 2 + i]));
    const { snapshot } = compileSnapshot({
      id: 1,
      zones: [zone],
      geo: trie,
      slotOf: (key) => slots.get(key),
    });
    const count = 4096;
    const health = createHealthTable(new SharedArrayBuffer(healthTableBytes(count)), count);
    const counters = new Float64Array(new SharedArrayBuffer(8 * COUNTER.SIZE));
    const limit = {
      responsesPerSecond: 100_000,
      nxdomainsPerSecond: 100_000,
      errorsPerSecond: 100_000,
      windowSeconds: 15,
      slip: 2,
      ipv4Prefix: 24,
      ipv6Prefix: 56,
      exempt: [{ bytes: Uint8Array.of(127, 0, 0, 0), length: 8 }],
      tableSize: 65_536,
      logOnly: false,
    };
    const ledgerOptions = options.limits ? { limit } : {};
    const ledger = new Ledger(ledgerOptions, createLedgerMemory(ledgerOptions), {
      monotonic: () => performance.now(),
      now: Date.now,
      seed: 1,
      key: [1, 2],
      onLimit() {},
    });
    return new Responder(
      { options: { listen: [], datagramMax: 1232 }, snapshot, health, counters, seed: 1 },
      (error) => {
        throw error;
      },
      ledger,
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
