import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { formatProblem } from '../../../src/sources/yaml-document.js';
import { loadZones, mayExist, watchZones, type ZoneWatch } from '../../../src/sources/zone-folder.js';

let folder = '';
let watching: ZoneWatch | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zones-'));
});

afterEach(async () => {
  watching?.close();
  watching = undefined;
  await rm(folder, { recursive: true, force: true });
});

function zone(name: string): string {
  return `zone: ${name}\nnameservers: { ns1: { A: 192.0.2.53 } }\n`;
}

async function put(name: string, text: string): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, text);
  return file;
}

describe('loadZones()', () => {
  it('reads yaml files of a folder and of its folders, but none that starts with a dot', async () => {
    await mkdir(join(folder, 'more'));
    await mkdir(join(folder, '.git'));
    await put('a.yaml', zone('a.example'));
    await put('more/b.yml', zone('b.example'));
    await put('.git/c.yaml', zone('c.example'));
    await put('.d.yaml', zone('d.example'));
    await put('e.txt', zone('e.example'));
    await symlink(join(folder, 'e.txt'), join(folder, 'f.yaml'));
    const { zones, problems } = await loadZones([folder]);
    expect(zones.map(({ zone: { origin } }) => origin)).toEqual(['a.example.', 'e.example.', 'b.example.']);
    expect(problems).toEqual([]);
  });

  it('reports a broken file and reads the others', async () => {
    const bad = await put('a.yaml', 'zone: [');
    const good = await put('b.yaml', zone('b.example'));
    const { zones, problems, files } = await loadZones([folder]);
    expect(zones.map(({ file }) => file)).toEqual([good]);
    expect(problems.every(({ file }) => file === bad)).toBe(true);
    expect(files).toEqual([bad, good]);
  });

  it('refuses a second file of one zone', async () => {
    const first = await put('a.yaml', zone('x.example'));
    const second = await put('b.yaml', zone('X.example.'));
    const { zones, problems } = await loadZones([folder]);
    expect(zones.map(({ file }) => file)).toEqual([first]);
    expect(problems.map(formatProblem)).toEqual([
      `${second}:1:1: the zone x.example. is already in ${first}`,
    ]);
  });

  it('lets the file that is served already keep its zone, wherever another stands in the alphabet', async () => {
    const late = await put('z.yaml', zone('x.example'));
    const early = await put('a.yaml', zone('x.example'));
    const { zones, problems } = await loadZones([folder], {}, new Map([['x.example.', late]]));
    expect(zones.map(({ file }) => file)).toEqual([late]);
    expect(problems.map(({ file }) => file)).toEqual([early]);
  });

  it('takes nothing for deleted that it could not look at', async () => {
    const file = await put('a.yaml', zone('a.example'));
    await symlink(join(folder, 'nowhere'), join(folder, 'b.yaml'));
    const link = await loadZones([folder]);
    expect(mayExist(link, join(folder, 'b.yaml'))).toBe(true);
    expect(mayExist(link, join(folder, 'c.yaml'))).toBe(false);
    const gone = await loadZones([join(folder, 'away')]);
    expect(mayExist(gone, join(folder, 'away', 'a.yaml'))).toBe(true);
    expect(mayExist(gone, file)).toBe(false);
  });

  it('takes single files, whatever their name, and reports what cannot be read', async () => {
    const file = await put('zone.txt', zone('x.example'));
    const missing = join(folder, 'missing.yaml');
    const { zones, problems } = await loadZones([file, missing]);
    expect(zones).toHaveLength(1);
    expect(problems.map(formatProblem)).toEqual([`${missing}:1:1: cannot be read: ENOENT`]);
  });

  it('refuses other encodings', async () => {
    const file = join(folder, 'latin.yaml');
    await writeFile(file, Buffer.from(`${zone('x.example')}# caf\xe9\n`, 'latin1'));
    const { problems } = await loadZones([folder]);
    expect(problems.map(formatProblem)).toEqual([`${file}:1:1: is not UTF-8`]);
  });
});

describe('watchZones()', () => {
  /** Timers that run when told to; the last one set is the one that counts. */
  function manualTimers() {
    let next: (() => void) | undefined;
    return {
      armed: () => next !== undefined,
      fire: () => {
        const callback = next;
        next = undefined;
        callback?.();
      },
      set: (callback: () => void) => {
        next = callback;
        return callback;
      },
      clear: () => {
        next = undefined;
      },
    };
  }

  async function start() {
    const changes: string[][] = [];
    const timers = manualTimers();
    watching = watchZones([folder], (files) => changes.push([...files]), {}, { timers });
    await vi.waitFor(() => expect(timers.armed()).toBe(true));
    /** Lets the watch look, as its poll or an event would. */
    const look = async () => {
      await vi.waitFor(() => expect(timers.armed()).toBe(true));
      timers.fire();
      await vi.waitFor(() => expect(timers.armed()).toBe(true));
    };
    /** Looks until so many changes are told of: a look after an event is one at what the event named. */
    const lookFor = async (count: number) => {
      while (changes.length < count) await look();
    };
    return { changes, look, lookFor };
  }

  it('tells which files were added, changed, replaced and deleted', async () => {
    const a = await put('a.yaml', zone('a.example'));
    const { changes, look, lookFor } = await start();
    await look();
    expect(changes).toEqual([]);

    const b = await put('b.yaml', zone('b.example'));
    await lookFor(1);
    await writeFile(a, `${zone('a.example')}ttl: 60\n`);
    await lookFor(2);
    // As editors do it: write beside, then rename over.
    await put('b.yaml.tmp', zone('b.example'));
    await rename(join(folder, 'b.yaml.tmp'), b);
    await lookFor(3);
    await rm(a);
    await lookFor(4);
    expect(changes).toEqual([[b], [a], [b], [a]]);
  });

  it('survives a folder that vanishes and comes back', async () => {
    const a = await put('a.yaml', zone('a.example'));
    const { changes, lookFor } = await start();
    await rm(folder, { recursive: true });
    await lookFor(1);
    await mkdir(folder);
    await put('a.yaml', zone('a.example'));
    await lookFor(2);
    expect(changes).toEqual([[a], [a]]);
  });

  it('is told by the system, without waiting for the poll', async () => {
    const changed = vi.fn();
    const sets: number[] = [];
    const timers = {
      set: (callback: () => void, ms: number) => {
        sets.push(ms);
        return ms === 60_000 ? undefined : setTimeout(callback, ms);
      },
      clear: (timer: unknown) => clearTimeout(timer as NodeJS.Timeout | undefined),
    };
    watching = watchZones([folder], changed, { debounceMs: 5, pollMs: 60_000 }, { timers });
    await vi.waitFor(() => expect(sets).toEqual([60_000]));
    const file = await put('a.yaml', zone('a.example'));
    await vi.waitFor(() => expect(changed).toHaveBeenCalledWith([file]), { timeout: 5000 });
  });

  it('says nothing after close()', async () => {
    const { changes, look } = await start();
    watching?.close();
    await put('a.yaml', zone('a.example'));
    await expect(look()).rejects.toThrow();
    expect(changes).toEqual([]);
  });
});
