import { mkdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { startQueryLog } from '../../../src/control/query-log.js';
import { createQuery } from '../../../src/core/answer/query.js';
import type { Snapshot } from '../../../src/core/answer/snapshot.js';
import { QueryRing, queryRingBytes } from '../../../src/core/query-log/ring.js';
import type { LineSink } from '../../../src/core/tally/line-log.js';
import { LogFile } from '../../../src/sources/log-file.js';
import { removeFolders, temporaryFolder } from '../../support/folder.js';
import { ManualTime } from '../../support/manual-time.js';

afterAll(removeFolders);

function rig(sink: LineSink) {
  const time = new ManualTime();
  const memory = new SharedArrayBuffer(queryRingBytes());
  const ring = new QueryRing(memory);
  const query = createQuery({} as Snapshot, new Int32Array(0), new Float64Array(0), 1);
  query.source = new Uint8Array(4);
  const errors: string[] = [];
  const log = startQueryLog(
    {
      sink,
      rings: () => [memory],
      timers: { set: (run, ms) => time.setTimeout(run, ms), clear: (timer) => time.clearTimeout(timer) },
      log: { error: (_, message) => errors.push(message) },
    },
    { zone: () => 'a.', pool: () => ({ pool: 'p', region: '' }), client: 'none' },
  );
  const add = (count: number) => {
    for (let i = 0; i < count; i++) ring.add(query, 0, 0, 0, 0, 12);
  };
  return { log, time, add, errors };
}

class HeldSink implements LineSink {
  readonly batches: number[] = [];
  release: () => void = () => {};
  fail = false;

  async write(lines: string): Promise<void> {
    this.batches.push(lines.split('\n').length - 1);
    if (this.fail) throw new Error('ENOSPC');
    await new Promise<void>((resolve) => {
      this.release = resolve;
    });
  }

  reopen(): void {}
  async close(): Promise<void> {}
}

describe('startQueryLog()', () => {
  it('writes one batch at a time; what does not fit meanwhile is lost and counted', async () => {
    const sink = new HeldSink();
    const { log, time, add } = rig(sink);
    add(3);
    await time.advance(100);
    add(5000);
    await time.advance(1000);
    expect(sink.batches).toEqual([3]);
    expect(log.lines).toEqual({ written: 0, lost: 904, failed: 0 });
    sink.release();
    await time.advance(100);
    expect(sink.batches).toEqual([3, 2000]);
    expect(log.lines.written).toBe(3);
  });

  it('says once that the file does not take its lines, and goes on', async () => {
    const sink = new HeldSink();
    sink.fail = true;
    const { log, time, add, errors } = rig(sink);
    for (let i = 0; i < 3; i++) {
      add(2);
      await time.advance(100);
    }
    expect([log.lines.failed, errors]).toEqual([6, ['the query log is not written']]);
  });
});

describe('LogFile', () => {
  it('keeps one old file beyond its size', async () => {
    const path = join(temporaryFolder(), 'q.log');
    const file = new LogFile(path, 10);
    for (const line of ['one\n', 'two\n', 'three\n', 'four\n']) await file.write(line);
    expect(readFileSync(`${path}.1`, 'utf8')).toBe('one\ntwo\nthree\n');
    expect(readFileSync(path, 'utf8')).toBe('four\n');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await file.close();
  });

  it('goes on in a file that is there, and in a new one after reopen()', async () => {
    const path = join(temporaryFolder(), 'q.log');
    const first = new LogFile(path, 1000);
    await first.write('a\n');
    await first.close();
    const file = new LogFile(path, 1000);
    await file.write('b\n');
    renameSync(path, `${path}.old`);
    file.reopen();
    await file.write('c\n');
    expect([readFileSync(`${path}.old`, 'utf8'), readFileSync(path, 'utf8')]).toEqual(['a\nb\n', 'c\n']);
    await file.close();
  });

  it('recovers from a folder that was away', async () => {
    const folder = join(temporaryFolder(), 'logs');
    const file = new LogFile(join(folder, 'q.log'), 1000);
    await expect(file.write('a\n')).rejects.toThrow('ENOENT');
    mkdirSync(folder);
    await file.write('b\n');
    expect(readFileSync(join(folder, 'q.log'), 'utf8')).toBe('b\n');
    await file.close();
    rmSync(folder, { recursive: true });
  });
});
