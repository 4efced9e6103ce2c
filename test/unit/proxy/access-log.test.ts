import { describe, expect, it } from 'vitest';
import { newAccessEntry } from '../../../src/core/access-log/entry.js';
import { AccessRing, accessRingBytes } from '../../../src/core/access-log/ring.js';
import type { LineSink } from '../../../src/core/tally/line-log.js';
import { startAccessLog } from '../../../src/proxy/access-log.js';
import { ManualTime } from '../../support/manual-time.js';

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

function rig(sink: LineSink) {
  const time = new ManualTime();
  const memories = [0, 1].map(() => new SharedArrayBuffer(accessRingBytes()));
  const rings = memories.map((memory) => new AccessRing(memory));
  const errors: string[] = [];
  const log = startAccessLog(
    {
      sink,
      rings: () => memories,
      timers: { set: (run, ms) => time.setTimeout(run, ms), clear: (timer) => time.clearTimeout(timer) },
      log: { error: (_, message) => errors.push(message) },
    },
    'none',
  );
  const add = (worker: number, count: number) => {
    for (let i = 0; i < count; i++) rings[worker]!.add(newAccessEntry());
  };
  return { log, time, add, errors };
}

describe('startAccessLog()', () => {
  it('writes one batch of all workers at a time; what does not fit meanwhile is lost and counted', async () => {
    const sink = new HeldSink();
    const { log, time, add } = rig(sink);
    add(0, 3);
    add(1, 2);
    await time.advance(100);
    add(0, 3000);
    await time.advance(1000);
    expect(sink.batches).toEqual([5]);
    expect(log.lines).toEqual({ written: 0, lost: 952, failed: 0 });
    sink.release();
    await time.advance(100);
    expect(sink.batches).toEqual([5, 2000]);
    expect(log.lines.written).toBe(5);
  });

  it('says once that the file does not take its lines, and goes on', async () => {
    const sink = new HeldSink();
    sink.fail = true;
    const { log, time, add, errors } = rig(sink);
    for (let i = 0; i < 3; i++) {
      add(0, 1);
      await time.advance(100);
    }
    expect(errors).toEqual(['the access log is not written']);
    expect(log.lines).toEqual({ written: 0, lost: 0, failed: 3 });
  });

  it('writes what is left when it is closed', async () => {
    const sink = new HeldSink();
    const { log, add } = rig(sink);
    add(1, 4);
    const closed = log.close();
    await new Promise((resolve) => setImmediate(resolve));
    sink.release();
    await closed;
    expect(sink.batches).toEqual([4]);
    expect(log.lines.written).toBe(4);
  });
});
