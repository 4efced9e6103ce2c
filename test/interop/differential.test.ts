import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DIFFERENCES, type Difference } from '../support/differences.js';
import {
  askTcp,
  askUdp,
  type Comparable,
  comparable,
  startGdnsd,
  startKnot,
} from '../support/differential-peers.js';
import { differentialQueries } from '../support/differential-queries.js';
import { DIFFERENTIAL_ZONE, meridianZone } from '../support/differential-zone.js';
import { isInstalled } from '../support/dig.js';
import { removeFolders } from '../support/folder.js';
import { startNode } from '../support/node.js';
import { endPrograms } from '../support/process.js';

const PEERS = [
  { peer: 'knot', program: 'knotd', start: startKnot },
  { peer: 'gdnsd', program: 'gdnsd', start: startGdnsd },
] as const;
/** Of a reply that does come, a hundredth; of one that does not, all of it. */
const WAIT_MS = 400;
/** Before silence counts where the other one answered: a machine may stand still for a while. */
const SILENCE_MS = 4000;
const AT_ONCE = 16;

describe.each(PEERS)('the shared zone, beside $peer', ({ peer, program, start }) => {
  const missing = !isInstalled(program, '--version');
  const used = new Set<Difference>();
  let ports: readonly [number, number];
  beforeAll(async () => {
    if (missing) return;
    const node = await startNode({ zones: { [`${DIFFERENTIAL_ZONE}.yaml`]: meridianZone() } });
    ports = [node.port, await start()];
  });
  afterAll(async () => {
    await endPrograms();
    removeFolders();
  });

  it.skipIf(missing)(
    `is answered alike, but for the differences listed${missing ? ` (no ${program})` : ''}`,
    async () => {
      const queries = differentialQueries();
      expect(queries.length).toBeGreaterThan(500);
      const unexplained: string[] = [];
      for (let at = 0; at < queries.length; at += AT_ONCE) {
        await Promise.all(
          queries.slice(at, at + AT_ONCE).map(async (query) => {
            const ask = query.tcp ? askTcp : askUdp;
            const both = (waitMs: number) =>
              Promise.all(ports.map(async (port) => comparable(await ask(port, query.bytes, waitMs))));
            let [ours, theirs] = await both(WAIT_MS);
            if ((ours!.rcode === 'none') !== (theirs!.rcode === 'none')) {
              [ours, theirs] = await both(SILENCE_MS);
            }
            const fields = differingFields(ours!, theirs!);
            if (fields.length === 0) return;
            const reasons = DIFFERENCES.filter(
              (difference) => difference.peers.includes(peer) && difference.applies(query, ours!, theirs!),
            );
            const covered = new Set(reasons.flatMap((difference) => difference.fields));
            for (const difference of reasons) used.add(difference);
            const open = fields.filter((field) => !covered.has(field));
            if (open.length > 0) unexplained.push(shown(query.what, open, ours!, theirs!));
          }),
        );
      }
      expect(unexplained.sort()).toEqual([]);
      const unused = DIFFERENCES.filter(
        (difference) => difference.peers.includes(peer) && !used.has(difference),
      );
      expect(unused.map(({ id }) => id)).toEqual([]);
    },
  );
});

function differingFields(ours: Comparable, theirs: Comparable): readonly (keyof Comparable)[] {
  return (Object.keys(ours) as (keyof Comparable)[]).filter((field) => ours[field] !== theirs[field]);
}

function shown(
  what: string,
  fields: readonly (keyof Comparable)[],
  ours: Comparable,
  theirs: Comparable,
): string {
  const values = fields.map(
    (field) => `${field}: ${JSON.stringify(ours[field])} | ${JSON.stringify(theirs[field])}`,
  );
  return `${what}: ${values.join('; ')}`;
}
