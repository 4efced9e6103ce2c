import { describe, expect, it } from 'vitest';
import type { PlanFindings, PlanJob } from '../../../src/control/plan-job.js';
import type { PlanFailure } from '../../../src/control/plan-thread.js';
import { PLAN_MS_MAX, PLANS_MAX, type Plan, PlanBook, type PlanModules } from '../../../src/control/plans.js';
import type { FileChanges, WriteOptions, WriteResult } from '../../../src/control/zone-write.js';

const ASKER = { author: 'anna', message: 'why not' };
const FOUND: PlanFindings = {
  problems: [],
  warnings: [],
  files: new Map([
    ['a.yaml', 'zone: a.test'],
    ['b.yaml', null],
  ]),
  etags: new Map([
    ['a.yaml', null],
    ['b.yaml', '"0123456789abcdef"'],
  ]),
  zones: [],
  touched: [],
  tookMs: 1,
};
const WRITTEN: WriteResult = {
  outcome: 'written',
  revision: 8,
  etags: new Map(),
  published: true,
  zones: [],
};
const ONE_FILE = { kind: 'zone', text: 'zone: a.test' } as const;

function bookWith(
  options: { found?: PlanFindings | PlanFailure; result?: WriteResult } & Partial<PlanModules> = {},
) {
  const { found = FOUND, result = WRITTEN, ...modules } = options;
  const jobs: PlanJob[] = [];
  const writes: { changes: FileChanges; options: WriteOptions }[] = [];
  const events: string[] = [];
  const clock = { nowMs: 1000 };
  let made = 0;
  const book = new PlanBook({
    engine: {
      async plan(job) {
        jobs.push(job);
        return found;
      },
      async close() {},
    },
    served: () => [],
    now: () => clock.nowMs,
    newId: () => `p${++made}`,
    writer: {
      async write(changes, given) {
        writes.push({ changes, options: given });
        return result;
      },
    },
    publish: ({ type }) => events.push(type),
    // The newest revision is one of steering.
    history: { head: 8, headOf: () => 7, filesBetween: () => undefined },
    ...modules,
  });
  return { book, jobs, writes, events, clock };
}

async function created(book: PlanBook): Promise<Plan> {
  const plan = await book.create(ONE_FILE, ASKER);
  if ('code' in plan) throw new Error(plan.message);
  return plan;
}

describe('PlanBook', () => {
  it('applies a plan once, to the files and the revision that it was made upon', async () => {
    const { book, writes, events } = bookWith();
    const { id } = await created(book);
    const done = await book.apply(id, { author: 'ben', message: '' });
    expect(done).toMatchObject({ plan: { state: 'applied', applied: { author: 'ben', revision: 8 } } });
    expect(writes).toEqual([
      {
        changes: FOUND.files,
        options: {
          author: 'ben',
          message: 'why not',
          source: 'api',
          ifMatch: new Map([
            ['a.yaml', null],
            ['b.yaml', ['"0123456789abcdef"']],
          ]),
          head: 7,
        },
      },
    ]);
    expect(await book.apply(id, ASKER)).toMatchObject({ code: 'plan_applied' });
    expect(writes).toHaveLength(1);
    expect(events).toEqual(['plan.created', 'plan.applied']);
  });

  it('does not apply a plan twice at once', async () => {
    const { book, writes } = bookWith();
    const { id } = await created(book);
    const both = await Promise.all([book.apply(id, ASKER), book.apply(id, ASKER)]);
    expect(both[1]).toMatchObject({ code: 'plan_applied' });
    expect(writes).toHaveLength(1);
  });

  it('hands on a conflict, and can be asked again', async () => {
    const conflict: WriteResult = {
      outcome: 'conflict',
      what: 'revision',
      message: 'others came',
      expected: 7,
      actual: 9,
    };
    const { book } = bookWith({ result: conflict });
    const { id } = await created(book);
    expect(await book.apply(id, ASKER)).toMatchObject({ result: conflict, plan: { state: 'ready' } });
    expect(await book.apply(id, ASKER)).toMatchObject({ result: conflict });
  });

  it.each<[string, Partial<PlanFindings>, string]>([
    [
      'with mistakes',
      { problems: [{ file: 'a', line: 1, column: 1, path: '', message: 'x' }] },
      'plan_invalid',
    ],
    ['that changes nothing', { files: new Map() }, 'plan_invalid'],
  ])('does not apply a plan %s', async (_, findings, code) => {
    const { book, writes } = bookWith({ found: { ...FOUND, ...findings } });
    const { id } = await created(book);
    expect([await book.apply(id, ASKER), writes]).toMatchObject([{ code }, []]);
  });

  it('does not know other plans, and applies none where nothing can be written', async () => {
    const { book } = bookWith();
    expect(await book.apply('nothing', ASKER)).toMatchObject({ code: 'plan_not_found' });
    const readOnly = new PlanBook({
      engine: { plan: async () => FOUND, close: async () => {} },
      served: () => [],
      now: () => 0,
      newId: () => 'p1',
    });
    await created(readOnly);
    expect(await readOnly.apply('p1', ASKER)).toMatchObject({ code: 'not_writable' });
  });

  it('forgets plans after an hour, and the oldest of too many', async () => {
    const { book, clock } = bookWith();
    for (let i = 0; i < PLANS_MAX + 3; i++) await created(book);
    expect([book.list().length, book.get('p3'), book.get('p4')?.id]).toEqual([PLANS_MAX, undefined, 'p4']);
    expect(book.list()[0]!.id).toBe(`p${PLANS_MAX + 3}`);
    clock.nowMs += PLAN_MS_MAX;
    expect(book.list()).toEqual([]);
  });

  it('forgets the oldest when their texts are too much together', async () => {
    const files = new Map([['a.yaml', 'x'.repeat(70 * 1024 * 1024)]]);
    const { book } = bookWith({ found: { ...FOUND, files } });
    await created(book);
    await created(book);
    expect(book.list().map(({ id }) => id)).toEqual(['p2']);
  });

  it('plans the way back to a revision, and applies it as a rollback', async () => {
    const history: PlanModules['history'] = {
      head: 7,
      headOf: () => 7,
      filesBetween: (from, to) =>
        from === 7 && to === 3
          ? [
              { path: 'a.yaml', after: 'old' },
              { path: 'b.yaml', after: null },
            ]
          : undefined,
    };
    const { book, jobs, writes } = bookWith({ history });
    const plan = await book.create({ kind: 'revision', revision: 3 }, ASKER);
    expect(jobs[0]!.proposal).toEqual({
      kind: 'files',
      files: new Map([
        ['a.yaml', 'old'],
        ['b.yaml', null],
      ]),
      complete: false,
    });
    await book.apply((plan as Plan).id, ASKER);
    expect(writes[0]!.options.source).toBe('rollback');
    expect(await book.create({ kind: 'revision', revision: 99 }, ASKER)).toMatchObject({
      code: 'revision_not_found',
    });
  });

  it('refuses a revision with a text that is not kept', async () => {
    const history = {
      head: 7,
      headOf: () => 7,
      filesBetween: () => [{ path: 'big.zone', after: undefined }],
    };
    const refused = await bookWith({ history }).book.create({ kind: 'revision', revision: 3 }, ASKER);
    expect(refused).toMatchObject({
      code: 'revision_not_found',
      message: expect.stringContaining('big.zone'),
    });
  });

  it('hands on why no plan could be made', async () => {
    const found = { code: 'plan_busy', message: 'later' } as const;
    expect(await bookWith({ found }).book.create(ONE_FILE, ASKER)).toEqual(found);
  });
});
