import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LoaderThread } from '../../src/control/loader-thread.js';
import { EMPTY_LOCATIONS } from '../../src/core/geo/location.js';
import { zoneText } from '../support/query-rig.js';

const ENTRY = pathToFileURL(resolve(import.meta.dirname, '../../dist/control/loader-worker.js'));
const RULES = `pools:
  eu: { endpoints: [{ A: 192.0.2.1 }] }
  us: { endpoints: [{ A: 192.0.2.2 }] }
records:
  www: { type: A, dynamic: { rules: [{ geos: [EU], pool: eu }, { pool: us }] } }
`;

let root = '';
let loader: LoaderThread;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'loader-thread-'));
  loader = new LoaderThread({ state: join(root, '.state') }, ENTRY);
});
afterEach(async () => {
  await loader.close();
  await rm(root, { recursive: true, force: true });
});

const source = () => ({ paths: [root] });

describe('the loader thread', () => {
  it('hands over a snapshot in shared memory, and what explains it', async () => {
    await writeFile(join(root, 'a.yaml'), zoneText('example.com', RULES));
    await loader.useGeo(EMPTY_LOCATIONS);
    const staged = await loader.stage(source(), []);
    expect(staged.zones.map(({ origin, records }) => [origin, records])).toEqual([['example.com.', 3]]);
    const { snapshot, index: indexOf, names } = await loader.compile(7, new Map());
    const index = indexOf();
    expect(snapshot.id).toBe(7);
    expect(snapshot.nodes.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect([index.zone(0), index.pool(0)?.name, index.pool(1)?.name]).toEqual(['example.com.', 'eu', 'us']);
    expect(index.endpoint(1)?.family).toBe('A');
    const classes = Array.from(snapshot.steering, (_, at) => index.steering(at)?.kind).filter(Boolean);
    expect(classes).toEqual(['rules']);
    expect(index.pool(0)).toBe(index.pool(0));
    expect(names.pools.map(([, { pool }]) => pool)).toEqual(['eu', 'us']);
    expect(await loader.settle('served')).toEqual({});
  });

  it('drops the content of a large zone, and compiles it again when it is asked to', async () => {
    const lines = Array.from({ length: 20_100 }, (_, i) => `  h${i}: { type: A, value: 192.0.2.7 }`);
    await writeFile(join(root, 'a.yaml'), zoneText('example.com', `records:\n${lines.join('\n')}\n`));
    const { zones } = await loader.stage(source(), []);
    await loader.compile(1, new Map());
    await loader.settle('served');
    const again = await loader.stage('served', zones);
    expect([again.changed, again.zones]).toEqual([false, zones]);
    expect((await loader.compile(2, new Map())).snapshot.nodes.length).toBeGreaterThan(20_000 * 16);
    await loader.settle('served');
  });

  it('rejects what fails in the thread, and goes on', async () => {
    await expect(loader.compile(1, new Map())).rejects.toThrow('nothing is staged');
    expect(await loader.stage(source(), [])).toMatchObject({ zones: [], changed: false });
  });

  it('rejects a job whose thread dies, and begins anew', async () => {
    const dying = new URL('data:text/javascript,process.exit(3)');
    const broken = new LoaderThread({ state: root }, dying);
    for (let i = 0; i < 2; i++) {
      await expect(broken.stage(source(), [])).rejects.toThrow('the loader thread ended');
    }
    await broken.close();
    await expect(broken.stage(source(), [])).rejects.toThrow('the loader is closed');
  });

  it('does one thing at a time', async () => {
    const first = loader.stage(source(), []);
    await expect(loader.stage(source(), [])).rejects.toThrow('one thing at a time');
    await first;
  });
});
