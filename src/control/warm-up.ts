/**
 * The first changes of a node would take several times as long as later ones, as their code runs for the first time. So
 * it runs before: on a zone that is nowhere, until the engine has compiled what is used often.
 */
import { setImmediate as pause } from 'node:timers/promises';
import { loadZoneFile } from '../sources/zone-file.js';
import { versionOf } from '../sources/zone-folder.js';
import type { ZoneDesk } from './zone-desk.js';
import { ZoneLoader } from './zone-loader.js';

/** A node that starts has other things to do, and one that ends at once needs no warm-up. Milliseconds. */
export const WARM_UP_AFTER_MS = 2000;
const ROUNDS = 20;
const RECORDS = 60;
const FILE = 'warm-up.yaml';

/** Edits and checks. Others have their turn in between. */
export async function warmDesk(desk: Pick<ZoneDesk, 'edit' | 'check'>): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    const before = zoneText(round);
    const value = { type: 'A', value: `192.0.2.${round + 100}` };
    const edited = await desk.edit(FILE, before, {
      kind: 'record',
      action: 'put',
      name: 'h0',
      types: 'A',
      value,
    });
    await pause();
    if (!('text' in edited)) throw new Error('the zone of the warm-up cannot be edited');
    await desk.check([{ file: FILE, path: FILE, before, after: edited.text }]);
    await pause();
  }
}

/** Reads and compiles, in the thread that calls. */
export async function warmLoader(): Promise<void> {
  const loader = new ZoneLoader({ now: Date.now });
  for (let round = 0; round < ROUNDS; round++) {
    const text = zoneText(round);
    const read = loadZoneFile(FILE, text);
    if ('problems' in read) throw new Error('the zone of the warm-up has mistakes');
    const version = versionOf(text);
    const zones = [{ file: FILE, zone: read.zone, text, version }];
    const staged = await loader.stage({ zones, problems: [], files: [FILE], unreadable: [] }, []);
    const slots = new Map([...staged.targets.keys()].map((key, slot) => [key, slot]));
    loader.compileZones(round, slots);
    await loader.settle('served');
    await pause();
  }
}

/** One record in ten is steered. */
function zoneText(round: number): string {
  const records = Array.from({ length: RECORDS }, (_, i) =>
    i % 10 === 9
      ? `  h${i}: { type: A, dynamic: { rules: [{ geos: [EU], pool: eu }, { pool: us }] } }`
      : `  h${i}: { type: A, value: 192.0.2.${(i === 0 ? round : i) % 100} }`,
  );
  return `zone: warm-up.invalid
nameservers: { ns1: { A: 192.0.2.53 } }
pools:
  eu: { endpoints: [{ A: 192.0.2.1 }] }
  us: { endpoints: [{ A: 198.51.100.1 }] }
records:
${records.join('\n')}
`;
}
