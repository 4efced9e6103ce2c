import { isLive } from '../core/rollout/plan.js';
import { EMPTY_STEERING, pruned, type SteeringDocument } from '../core/steering/document.js';
import { type HeldSteering, heldAt, nextChangeMs } from '../core/steering/held.js';
import { formatTarget, type SteeringTarget } from '../core/steering/target.js';
import { nearest } from '../sources/schema-problems.js';
import type { EventBus } from './event-bus.js';
import {
  invalid,
  type OrderContext,
  type OrderDone,
  type OrderRefusal,
  refused,
  tooMany,
} from './order-outcome.js';
import { withoutStaleRollouts } from './rollout-orders.js';
import type { SteeringMarks } from './steering-marks.js';
import {
  documentMistakes,
  NAME,
  orderText,
  readTarget,
  signed,
  withDial,
  withForce,
  withMaintenance,
  without,
} from './steering-orders.js';
import type { DialOrder, ForceOrder, MaintenanceOrder, SentDocument } from './steering-schema.js';

/** What keeps the document: the part of the book of revisions that steering needs. */
export interface SteeringBook {
  readonly head: number;
  /** The newest revision of steering; 0 where there is none. */
  headOf(kind: 'steering'): number;
  /** The document after a revision; null or undefined where there is none. */
  steeringAt(id: number): unknown;
  append(
    draft: SteeringDraft,
  ): Promise<{ readonly id: number } | { readonly code: string; readonly detail: string }>;
  /** Calls back with each new revision, of whatever kind. */
  subscribe(listener: (revision: { readonly id: number; readonly kind: string }) => void): () => void;
}

export interface SteeringDraft {
  readonly kind: 'steering';
  readonly source: 'api' | 'schedule' | 'rollback';
  readonly author: string;
  readonly message: string;
  readonly expectedOfKind: number;
  readonly steering: SteeringDocument;
}

export interface SteeringModules {
  readonly book: SteeringBook;
  readonly marks: SteeringMarks;
  /** The table of health words. */
  readonly words: Int32Array;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly timers: {
    setTimeout(callback: () => void, ms: number): unknown;
    clearTimeout(handle: unknown): void;
  };
  readonly log: {
    info(facts: object, message: string): void;
    warn(facts: object, message: string): void;
    error(facts: object, message: string): void;
  };
  readonly events?: Pick<EventBus, 'publish'>;
}

/** What of a change of rollouts the history says; both are asked once it was made. */
export interface RolloutChange {
  readonly id: () => string;
  readonly text: () => string;
  readonly source?: 'api' | 'schedule';
}

interface Change {
  /** The key of the entry, once `edit` was called. */
  readonly id: () => string;
  /** What the history says, once `edit` was called. */
  readonly text: () => string;
  readonly edit: (document: SteeringDocument, nowMs: number) => SteeringDocument | OrderRefusal;
  readonly source?: SteeringDraft['source'];
}

/** The clock may be set: what is due in an hour is looked at again every minute. */
const LOOK_MS_MAX = 60_000;
/** How often a change is made again when another one came between. */
const TRIES = 3;

/**
 * Holds what operators steer. An order becomes a revision first, and has its effect when that is on the disk; what ends or
 * moves by itself needs nobody. Orders are carried out one after another.
 */
export class Steering {
  readonly #modules: SteeringModules;
  readonly #unsubscribe: () => void;
  #document: SteeringDocument = EMPTY_STEERING;
  #revision = 0;
  #timer: unknown;
  #work: Promise<unknown> = Promise.resolve();
  #closed = false;
  /** Rollouts that have no effect, whatever the document says. */
  readonly #suspended = new Set<string>();

  /** Takes what the book holds: from now on everything that is published is marked. */
  constructor(modules: SteeringModules) {
    this.#modules = modules;
    this.#unsubscribe = modules.book.subscribe(({ id, kind }) => {
      if (kind === 'steering' && id > this.#revision) this.#adopt(id);
    });
    // The newest of its kind may be kept no more: the document is, at the head.
    this.#adopt(modules.book.headOf('steering'), modules.book.head);
  }

  get document(): SteeringDocument {
    return this.#document;
  }

  /** The number of the revision that holds it; 0 before the first. */
  get revision(): number {
    return this.#revision;
  }

  get held(): HeldSteering {
    return this.#modules.marks.held;
  }

  get marks(): SteeringMarks {
    return this.#modules.marks;
  }

  /** Milliseconds since 1970. */
  get nowMs(): number {
    return this.#modules.now();
  }

  /** The health words of all. */
  get words(): Int32Array {
    return this.#modules.words;
  }

  /** When something changes by itself, milliseconds since 1970; Infinity for never. */
  get nextChangeMs(): number {
    return nextChangeMs(this.#document, this.#modules.now());
  }

  force(target: string, order: ForceOrder, context: OrderContext): Promise<OrderDone | OrderRefusal> {
    return this.#order(target, 'force', context, (id) => ({
      id: () => id,
      text: () => withReason(orderText(order.state, id), order.reason),
      edit: (document, nowMs) => refused(withForce(document, id, order, { by: context.by, nowMs })),
    }));
  }

  dial(target: string, order: DialOrder, context: OrderContext): Promise<OrderDone | OrderRefusal> {
    return this.#order(target, 'dial', context, (id) => ({
      id: () => id,
      text: () => withReason(`dial ${id} to ${order.percent} %`, order.reason),
      edit: (document, nowMs) => refused(withDial(document, id, order, { by: context.by, nowMs })),
    }));
  }

  /** `name`: how to call it; one that is free where absent. */
  maintain(
    name: string | undefined,
    order: MaintenanceOrder,
    context: OrderContext,
  ): Promise<OrderDone | OrderRefusal> {
    if (name !== undefined && !NAME.test(name)) {
      return Promise.resolve(invalid({ path: 'id', message: 'want letters, digits, _, - and .' }));
    }
    return this.#order(order.target, 'force', context, (target) => {
      let id = name ?? '';
      return {
        id: () => id,
        text: () => withReason(`maintenance ${id} of ${target}`, order.reason),
        edit: (document, nowMs) => {
          id = name ?? freeName(document);
          return refused(withMaintenance(document, id, order, { by: context.by, nowMs }));
        },
      };
    });
  }

  /** Takes an entry back. What it names may be gone long since. */
  remove(
    kind: 'forces' | 'dials' | 'maintenance',
    id: string,
    context: OrderContext,
  ): Promise<OrderDone | OrderRefusal> {
    let key = id;
    if (kind !== 'maintenance') {
      const read = readTarget(id);
      if ('message' in read) return Promise.resolve(invalid(read));
      key = formatTarget(read.target);
    }
    const change: Change = {
      id: () => key,
      text: () => `take back ${kind} ${key}`,
      edit: (document) =>
        without(document, kind, key) ?? { code: 'not_steered', detail: `${kind} has no entry ${key}` },
    };
    return this.#change(change, context);
  }

  /** Changes rollouts; `edit` gets those that are there, and is called again where another change came between. */
  changeRollouts(
    { id, text, source = 'api' }: RolloutChange,
    context: OrderContext,
    edit: (
      rollouts: SteeringDocument['rollouts'],
      nowMs: number,
    ) => { readonly rollouts: SteeringDocument['rollouts'] } | OrderRefusal,
  ): Promise<OrderDone | OrderRefusal> {
    const change: Change = {
      id,
      text,
      source,
      edit: (document, nowMs) => {
        const next = edit(document.rollouts, nowMs);
        return 'code' in next ? next : { ...document, rollouts: next.rollouts };
      },
    };
    return this.#change(change, context);
  }

  /** Takes a rollout's effect away at once, until the document says so: for one that failed while the disk does, too. */
  suspendRollout(id: string): void {
    this.#suspended.add(id);
    this.#refresh();
  }

  /**
   * Sets the whole document. What differs from what was there was set by who sends it, now; what is as it was keeps who
   * set it and when. Rollouts stay as they are.
   */
  replace(sent: SentDocument, message: string, context: OrderContext): Promise<OrderDone | OrderRefusal> {
    const change: Change = {
      id: () => '',
      text: () => message,
      edit: (document, nowMs) => {
        const next = signed(sent, document, { by: context.by, nowMs });
        const mistakes = documentMistakes(next);
        return mistakes.length > 0 ? { code: 'invalid_request', mistakes } : next;
      },
    };
    return this.#change(change, context);
  }

  /**
   * Sets the document as it was once, with who set what then; what has ended since does not come back. `expected`:
   * nothing of any kind may have changed since that revision.
   */
  restore(
    value: unknown,
    {
      author,
      message,
      expected,
    }: { readonly author: string; readonly message: string; readonly expected: number },
  ): Promise<OrderDone | OrderRefusal> {
    const { book, now } = this.#modules;
    const change: Change = {
      id: () => '',
      text: () => message,
      source: 'rollback',
      edit: () => {
        if (book.head !== expected) return { code: 'conflict', expected: [expected], revision: book.head };
        const mistakes = documentMistakes(value);
        if (mistakes.length > 0) return { code: 'invalid_request', mistakes };
        const then = pruned(value as SteeringDocument, now());
        return withoutStaleRollouts(then, this.#document, { author, nowMs: now() });
      },
    };
    return this.#change(change, { by: author });
  }

  /** Resolves when all orders so far were carried out. */
  async settled(): Promise<void> {
    await this.#work;
  }

  close(): void {
    this.#closed = true;
    this.#unsubscribe();
    this.#modules.timers.clearTimeout(this.#timer);
  }

  /** An order about something that has to be there. */
  #order(
    text: string,
    kind: 'force' | 'dial',
    context: OrderContext,
    make: (target: string) => Change,
  ): Promise<OrderDone | OrderRefusal> {
    const target = this.targetOf(text, kind);
    return typeof target === 'string' ? this.#change(make(target), context) : Promise.resolve(target);
  }

  /** A target as the document writes it, where there is something that it names. */
  targetOf(text: string, kind: 'force' | 'dial'): string | OrderRefusal {
    const read = readTarget(text, kind);
    if ('message' in read) return invalid(read);
    const target = formatTarget(read.target);
    const { pools } = this.marks.reach([target], kind).get(target)!;
    return pools > 0 ? target : this.#unknown(target, read.target, kind);
  }

  #unknown(text: string, { region, address }: SteeringTarget, kind: 'force' | 'dial'): OrderRefusal {
    if (kind === 'dial' && this.marks.reach([text]).get(text)!.pools > 0) {
      const detail = `${text} is a pool of pools, which has no share of its own: dial the pools in it`;
      return { code: 'no_such_target', detail };
    }
    const what =
      region !== undefined ? 'no pool is in' : address !== undefined ? 'no endpoint is' : 'no pool is';
    const close = nearest(text, this.marks.poolTargets);
    const hint = close === undefined ? '' : `; did you mean ${close}?`;
    return { code: 'no_such_target', detail: `${what} ${text} now${hint}` };
  }

  #change(change: Change, context: OrderContext): Promise<OrderDone | OrderRefusal> {
    const done = this.#work.then(() => this.#carryOut(change, context));
    this.#work = done.catch(() => undefined);
    return done;
  }

  async #carryOut(
    { id, text, edit, source = 'api' }: Change,
    { by, expected }: OrderContext,
  ): Promise<OrderDone | OrderRefusal> {
    const { book, now } = this.#modules;
    let refusal: { readonly code: string; readonly detail: string } = { code: 'conflict', detail: '' };
    for (let i = 0; i < TRIES && refusal.code === 'conflict'; i++) {
      const revision = this.#revision;
      if (expected && !expected.includes(revision)) return { code: 'conflict', expected, revision };
      const nowMs = now();
      const next = edit(pruned(this.#document, nowMs), nowMs);
      if ('code' in next) return next;
      const many = tooMany(next);
      if (many) return many;
      if (next === this.#document) return { code: 'done', revision, changed: false, id: id() };
      const appended = await book.append({
        kind: 'steering',
        source,
        author: by,
        message: text(),
        expectedOfKind: book.headOf('steering'),
        steering: next,
      });
      if (!('code' in appended)) {
        if (appended.id > this.#revision) this.#take(appended.id, next);
        this.#tell({ by, source, message: text() });
        return { code: 'done', revision: appended.id, changed: true, id: id() };
      }
      if (appended.code === 'unchanged') return { code: 'done', revision, changed: false, id: id() };
      refusal = appended;
    }
    return { code: 'storage', reason: refusal.code, detail: refusal.detail };
  }

  /** Takes a document of the book. One that can't be read is no document: what holds now goes on. */
  #adopt(revision: number, at: number = revision): void {
    const { book, log } = this.#modules;
    let value: unknown;
    try {
      value = at === 0 ? null : book.steeringAt(at);
    } catch (error) {
      log.error(
        { revision, error: String(error) },
        'the steering document cannot be read; what holds now goes on',
      );
      return;
    }
    const document = value ?? EMPTY_STEERING;
    const mistakes = documentMistakes(document);
    if (mistakes.length > 0) {
      log.error(
        { revision, mistakes: mistakes.slice(0, 10) },
        'the steering document is wrong; what holds now goes on',
      );
      return;
    }
    this.#take(revision, document as SteeringDocument);
  }

  #take(revision: number, document: SteeringDocument): void {
    this.#revision = revision;
    this.#document = document;
    this.#refresh();
  }

  /** Lets hold what holds now, and wakes up when that changes. */
  #refresh(): void {
    const { marks, now, timers } = this.#modules;
    const nowMs = now();
    marks.hold(heldAt(this.#effective(), nowMs));
    timers.clearTimeout(this.#timer);
    this.#timer = undefined;
    const nextMs = nextChangeMs(this.#document, nowMs);
    if (nextMs === Number.POSITIVE_INFINITY || this.#closed) return;
    this.#timer = timers.setTimeout(() => this.#wake(), Math.min(nextMs - nowMs, LOOK_MS_MAX));
  }

  #effective(): SteeringDocument {
    if (this.#suspended.size === 0) return this.#document;
    const { rollouts } = this.#document;
    for (const id of this.#suspended) {
      const rollout = Object.hasOwn(rollouts, id) ? rollouts[id] : undefined;
      if (!rollout || !isLive(rollout)) this.#suspended.delete(id);
    }
    const left = Object.entries(rollouts).filter(([id]) => !this.#suspended.has(id));
    return { ...this.#document, rollouts: Object.fromEntries(left) };
  }

  #wake(): void {
    const before = [...this.held.forces.keys(), ...this.held.dials.keys()];
    this.#refresh();
    const after = [...this.held.forces.keys(), ...this.held.dials.keys()];
    const ended = before.filter((target) => !after.includes(target));
    const begun = after.filter((target) => !before.includes(target));
    if (ended.length > 0 || begun.length > 0) {
      this.#modules.log.info({ ended, begun }, 'steering changed by itself');
      this.#tell({ by: SCHEDULE, source: 'schedule', message: 'by itself', ended, begun });
    }
    if (pruned(this.#document, this.#modules.now()) !== this.#document) void this.#forget();
  }

  /** What has ended is taken out of the document. That it has ended does not depend on this. */
  async #forget(): Promise<void> {
    const before = this.#document;
    const gone = (['forces', 'dials', 'maintenance'] as const).flatMap((kind) => {
      const left = pruned(before, this.#modules.now())[kind];
      return Object.keys(before[kind]).filter((key) => !Object.hasOwn(left, key));
    });
    const message = `ended: ${gone.slice(0, 10).join(', ')}${gone.length > 10 ? ', …' : ''}`;
    const change: Change = {
      id: () => '',
      text: () => message,
      edit: (document) => document,
      source: 'schedule',
    };
    const done = await this.#change(change, { by: SCHEDULE }).catch(
      (error: unknown) => ({ code: 'storage', detail: String(error) }) as const,
    );
    if (done.code === 'done') return;
    this.#modules.log.warn({ ...done }, 'what ended could not be recorded; it has ended all the same');
  }

  #tell(facts: Readonly<Record<'by' | 'source' | 'message', string>> & { [fact: string]: unknown }): void {
    const { log, events } = this.#modules;
    const data = { revision: this.#revision, ...facts };
    log.info(data, 'steering changed');
    events?.publish({ type: 'steering.changed', data });
  }
}

/** Who ends what has a time. */
const SCHEDULE = 'schedule';

function withReason(text: string, reason: string | undefined): string {
  return reason === undefined || reason === '' ? text : `${text}: ${reason}`;
}

/** `m1`, `m2`, … */
function freeName({ maintenance }: SteeringDocument): string {
  let number = 1;
  while (Object.hasOwn(maintenance, `m${number}`)) number++;
  return `m${number}`;
}
