import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { StagedZones, ZoneSummary } from '../../src/control/loader.js';
import { ZoneLoader } from '../../src/control/zone-loader.js';
import { LastGoodZones } from '../../src/sources/last-good.js';

const FILES = ['a.yaml', 'b.yaml', 'c.yaml', 'd.yaml'];
/** What a file may be next; null: no file. */
const content = fc.oneof(
  fc.constant(null),
  fc.constant('zone: ['),
  fc
    .record({
      zone: fc.constantFrom('x', 'y', 'w.x'),
      address: fc.integer({ min: 1, max: 3 }),
      status: fc.boolean(),
    })
    .map(
      ({ zone, address, status }) => `zone: ${zone}.test
nameservers: { ns1: { A: 192.0.2.${address} } }
monitors: { m: { type: tcp, port: 80 } }
pools: { p: { monitor: m, endpoints: [{ A: 192.0.2.1${status ? ', status: up' : ''} }] } }
records: { www: { type: A, dynamic: { rules: [{ pool: p }] } } }
`,
    ),
);
const edits = fc.array(
  fc.array(fc.tuple(fc.constantFrom(...FILES), content), { minLength: 1, maxLength: 3 }),
  {
    minLength: 1,
    maxLength: 8,
  },
);

/** Loads one state after another, and forgets some of them again. */
class Served {
  readonly #loader: ZoneLoader;
  #id = 0;
  #zones: readonly ZoneSummary[] = [];

  constructor(state: string) {
    // Long after every change: time stamps tell the truth.
    this.#loader = new ZoneLoader({ now: () => Date.now() + 3_600_000, lastGood: new LastGoodZones(state) });
  }

  async load(folder: string, only?: readonly string[]) {
    const staged = await this.#loader.stage({ paths: [folder], ...(only && { only }) }, this.#zones);
    if (staged.changed) {
      const slots = new Map([...staged.targets.keys()].map((key, i) => [key, i + 2]));
      const { snapshot } = await this.#loader.compile(++this.#id, slots);
      expect(snapshot.zoneCount).toBe(staged.zones.length);
      this.#zones = staged.zones;
    }
    await this.#loader.settle(staged.changed ? 'served' : 'unchanged');
    return told(staged);
  }
}

function told({ zones, problems, targets, forced, changed }: StagedZones) {
  return {
    zones: zones
      .map(({ origin, file, version, records }) => `${origin} ${file} ${version} ${records}`)
      .toSorted(),
    problems: problems.map(({ file, message }) => `${file} ${message}`).toSorted(),
    targets: [...targets.keys()].toSorted(),
    forced: (forced ?? []).map(({ host, pool }) => `${host} ${pool}`).toSorted(),
    changed,
  };
}

it('a loader that is told which files changed has what one has that looks at all of them', async () => {
  await fc.assert(
    fc.asyncProperty(edits, async (steps) => {
      const root = await mkdtemp(join(tmpdir(), 'parts-'));
      try {
        const folder = await mkdtemp(join(root, 'zones-'));
        const [part, whole] = [new Served(join(root, 'one')), new Served(join(root, 'two'))];
        await writeFile(join(folder, 'a.yaml'), 'zone: x.test\nnameservers: { ns1: { A: 192.0.2.1 } }\n');
        expect(await part.load(folder)).toEqual(await whole.load(folder));
        for (const step of steps) {
          for (const [file, text] of step) {
            if (text === null) await rm(join(folder, file), { force: true });
            else await writeFile(join(folder, file), text);
          }
          const only = [...new Set(step.map(([file]) => join(folder, file)))];
          expect(await part.load(folder, only)).toEqual(await whole.load(folder));
        }
      } finally {
        await rm(root, { recursive: true, force: true });
      }
    }),
    { numRuns: 60 },
  );
});
