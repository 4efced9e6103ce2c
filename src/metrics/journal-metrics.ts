import { Counter, Gauge, type Registry } from 'prom-client';

/** The journal of revisions, as its metrics tell it. */
export interface JournalFacts {
  readonly revisions: number;
  readonly bytes: number;
  readonly failing: boolean;
  readonly writes: Readonly<Record<string, number>>;
}

/** Size and health of the journal; `facts` gives undefined where there is none. */
export function journalMetrics(registry: Registry, facts: () => JournalFacts | undefined): void {
  const gauge = (name: string, help: string, value: (facts: JournalFacts) => number) =>
    new Gauge({
      name: `meridian_journal_${name}`,
      help,
      registers: [registry],
      collect() {
        const now = facts();
        this.set(now ? value(now) : 0);
      },
    });
  gauge('bytes', 'Size of the journal of revisions.', ({ bytes }) => bytes);
  gauge('revisions', 'Revisions that are kept.', ({ revisions }) => revisions);
  gauge('failing', '1 while revisions can not be written.', ({ failing }) => (failing ? 1 : 0));
  new Counter({
    name: 'meridian_journal_writes_total',
    help: 'Writes of revisions by what became of them.',
    labelNames: ['result'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [result, count] of Object.entries(facts()?.writes ?? {})) this.inc({ result }, count);
    },
  });
}
