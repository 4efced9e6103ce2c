import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { memoryRevisions } from '../../../src/control/revisions.js';
import { journalMetrics } from '../../../src/metrics/journal-metrics.js';
import { MemoryEntries } from '../../../src/store/memory-entries.js';

async function values(registry: Registry): Promise<readonly string[]> {
  const text = await registry.metrics();
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

describe('journalMetrics()', () => {
  it('tells size, writes, and whether they fail', async () => {
    const store = new MemoryEntries();
    const book = memoryRevisions({ now: () => 0 }, undefined, store);
    const registry = new Registry();
    journalMetrics(registry, () => book.journal);
    const steer = (n: number) =>
      book.append({ kind: 'steering', source: 'api', author: 'ann', message: '', steering: { n } });
    await steer(1);
    store.failure = { code: 'storage_full', detail: 'no space' };
    await steer(2);
    expect(await values(registry)).toEqual([
      `meridian_journal_bytes ${store.bytes}`,
      'meridian_journal_revisions 1',
      'meridian_journal_failing 1',
      'meridian_journal_writes_total{result="done"} 1',
      'meridian_journal_writes_total{result="failed"} 1',
    ]);
    store.failure = undefined;
    await steer(3);
    expect(await values(registry)).toContain('meridian_journal_failing 0');
  });

  it('has no rows of writes where there is no journal', async () => {
    const registry = new Registry();
    journalMetrics(registry, () => undefined);
    expect(await values(registry)).toContain('meridian_journal_bytes 0');
  });
});
