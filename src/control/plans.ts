import type { PlanFindings, PlanJob, Proposal, ServedFile } from './plan-job.js';
import type { PlanEngine, PlanFailure } from './plan-thread.js';
import type { Expectation, FileChanges, WriteOptions, WriteResult } from './zone-write.js';

/** Plans are kept for an hour, the newest of them. */
export const PLANS_MAX = 32;
export const PLAN_MS_MAX = 3_600_000;
/** Of the texts of all plans that are kept, characters. */
const TEXT_CHARS_MAX = 128 * 1024 * 1024;

export interface Plan {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly expiresMs: number;
  readonly author: string;
  readonly message: string;
  /** What it was made upon. */
  readonly base: {
    /** The newest revision of zones; absent where no history is kept. */
    readonly revision?: number;
    /** ETags of the files that it changes; null for no file. */
    readonly etags: ReadonlyMap<string, string | null>;
  };
  /** The revision whose files it would bring back. */
  readonly of?: number;
  readonly findings: PlanFindings;
  /** `invalid`: there are mistakes. `empty`: nothing would change. */
  readonly state: 'ready' | 'invalid' | 'empty' | 'applied';
  readonly applied?: { readonly atMs: number; readonly author: string; readonly revision?: number };
}

export type PlanRefusal =
  | PlanFailure
  | {
      readonly code:
        | 'plan_not_found'
        | 'plan_applied'
        | 'plan_invalid'
        | 'revision_not_found'
        | 'not_writable';
      readonly message: string;
    };

/** What a plan may be made of: a proposal, or all files as they were after a revision. */
export type PlanRequest = Proposal | { readonly kind: 'revision'; readonly revision: number };

/** What applies a change: the zone writer. */
export interface ChangeWriter {
  write(changes: FileChanges, options: WriteOptions): Promise<WriteResult>;
}

/** The history of changes. */
export interface PlanHistory {
  /** The newest revision. */
  readonly head: number;
  /** The newest of a kind; 0 where there is none. Orders of steering come and go, and no plan is about them. */
  headOf(kind: 'zones'): number;
  /** Files that differ; a text is null for no file, undefined where it is not kept. */
  filesBetween(
    from: number,
    to: number,
  ):
    | readonly { readonly path: string; readonly after: string | null | undefined }[]
    | { readonly code: string; readonly detail: string }
    | undefined;
}

export interface PlanModules {
  readonly engine: PlanEngine;
  readonly served: () => readonly ServedFile[];
  /** Without it a plan can't be applied. */
  readonly writer?: ChangeWriter;
  /** Without it nothing is known of revisions. */
  readonly history?: PlanHistory;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Another at each call; hard to guess. */
  readonly newId: () => string;
  readonly publish?: (event: {
    readonly type: 'plan.created' | 'plan.applied';
    readonly data: object;
  }) => unknown;
}

export interface Asker {
  readonly author: string;
  readonly message: string;
}

/** The plans of the last hour. A plan is made once and applied at most once, and only to the state it was made upon. */
export class PlanBook {
  readonly #modules: PlanModules;
  readonly #plans = new Map<string, Plan>();
  readonly #applying = new Set<string>();

  constructor(modules: PlanModules) {
    this.#modules = modules;
  }

  /** Newest first. */
  list(): readonly Plan[] {
    this.#forget();
    return [...this.#plans.values()].toReversed();
  }

  get(id: string): Plan | undefined {
    this.#forget();
    return this.#plans.get(id);
  }

  async create(request: PlanRequest, { author, message }: Asker): Promise<Plan | PlanRefusal> {
    const { engine, history, now, newId, publish } = this.#modules;
    const proposal = this.#proposalOf(request);
    if ('code' in proposal) return proposal;
    // Before the files are read: what changes in between is noticed when the plan is applied.
    const head = history?.headOf('zones');
    const job: PlanJob = { proposal, served: this.#modules.served() };
    const findings = await engine.plan(job);
    if ('code' in findings) return findings;
    const atMs = now();
    const { problems, files, etags } = findings;
    const plan: Plan = {
      id: newId(),
      atMs,
      expiresMs: atMs + PLAN_MS_MAX,
      author,
      message,
      base: { ...(head !== undefined && { revision: head }), etags },
      ...(request.kind === 'revision' && { of: request.revision }),
      findings,
      state: problems.length > 0 ? 'invalid' : files.size === 0 ? 'empty' : 'ready',
    };
    this.#plans.set(plan.id, plan);
    this.#forget();
    publish?.({ type: 'plan.created', data: { id: plan.id, author, state: plan.state } });
    return plan;
  }

  /** Does what a plan says, if the files and the history are still as they were when it was made. */
  async apply(
    id: string,
    { author, message }: Asker,
  ): Promise<{ readonly plan: Plan; readonly result: WriteResult } | PlanRefusal> {
    const plan = this.get(id);
    if (!plan) return unknownPlan(id);
    const refusal = this.#refusalOf(plan);
    if (refusal) return refusal;
    const { now, publish } = this.#modules;
    const { base, findings } = plan;
    this.#applying.add(id);
    try {
      const result = await this.#modules.writer!.write(findings.files, {
        author,
        message: message === '' ? plan.message : message,
        source: plan.of === undefined ? 'api' : 'rollback',
        ifMatch: new Map([...base.etags].map(([file, etag]) => [file, expected(etag)])),
        ...(base.revision !== undefined && { head: base.revision }),
      });
      if (result.outcome !== 'written') return { plan, result };
      const { revision } = result;
      const applied = { atMs: now(), author, ...(revision !== undefined && { revision }) };
      const done: Plan = { ...plan, state: 'applied', applied };
      if (this.#plans.has(id)) this.#plans.set(id, done);
      publish?.({ type: 'plan.applied', data: { id, author, revision } });
      return { plan: done, result };
    } finally {
      this.#applying.delete(id);
    }
  }

  #refusalOf({ id, state, findings }: Plan): PlanRefusal | undefined {
    if (!this.#modules.writer) {
      return { code: 'not_writable', message: 'this node does not write zone files' };
    }
    if (state === 'applied' || this.#applying.has(id)) {
      return { code: 'plan_applied', message: `the plan ${id} was applied already; make a new one` };
    }
    if (state === 'invalid') {
      const count = findings.problems.length;
      return {
        code: 'plan_invalid',
        message: `the plan ${id} has ${count} mistakes; correct them, and plan again`,
      };
    }
    if (state === 'empty') return { code: 'plan_invalid', message: `the plan ${id} changes nothing` };
    return undefined;
  }

  #proposalOf(request: PlanRequest): Proposal | PlanRefusal {
    if (request.kind !== 'revision') return request;
    const { revision } = request;
    const { history } = this.#modules;
    const files = history?.filesBetween(history.head, revision);
    if (!files) {
      const message = `there is no revision ${revision}, or it is no longer kept`;
      return { code: 'revision_not_found', message };
    }
    if ('code' in files) return { code: 'plan_failed', message: files.detail };
    const lost = files.find(({ after }) => after === undefined);
    if (lost) {
      const message = `revision ${revision} can't be brought back: the text of ${lost.path} was too large to be kept`;
      return { code: 'revision_not_found', message };
    }
    const texts = files.map(({ path, after }): [string, string | null] => [path, after ?? null]);
    return { kind: 'files', files: new Map(texts), complete: false };
  }

  /** Drops plans that are too old, or too many. */
  #forget(): void {
    const nowMs = this.#modules.now();
    let chars = 0;
    let count = 0;
    for (const plan of [...this.#plans.values()].reverse()) {
      chars += textChars(plan.findings);
      count++;
      // The newest stays, however large.
      const isTooMuch = count > PLANS_MAX || (count > 1 && chars > TEXT_CHARS_MAX);
      if (isTooMuch || plan.expiresMs <= nowMs) this.#plans.delete(plan.id);
    }
  }
}

function expected(etag: string | null): Expectation {
  return etag === null ? null : [etag];
}

function unknownPlan(id: string): PlanRefusal {
  return {
    code: 'plan_not_found',
    message: `there is no plan ${id.slice(0, 40)}; plans are kept for an hour, and the last ${PLANS_MAX}`,
  };
}

function textChars({ files }: PlanFindings): number {
  let sum = 0;
  for (const text of files.values()) sum += text?.length ?? 0;
  return sum;
}
