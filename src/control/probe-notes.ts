import type { HealthTarget } from '../core/zone/targets.js';
import type { ProbeResult } from '../probe/attempt.js';

/** One line of complaint in so long: it may be all targets. */
const COMPLAINT_MS = 60_000;

/** The last probe of a target by this node; times by its clock, milliseconds since 1970. */
export interface LastProbe {
  readonly startMs: number;
  readonly atMs: number;
  /** The last one that failed. */
  readonly error?: { readonly atMs: number; readonly detail: string };
}

/** Since the start; `impossible`: this host could not make them. */
export interface ProbeCounts {
  readonly ok: number;
  readonly failed: number;
  readonly impossible: number;
}

export interface ProbeNotesModules {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly monotonic: () => number;
  readonly log: { warn(facts: object, message: string): void };
}

/** What is remembered of this node's own probes: how many there were, and the last one of each target. */
export class ProbeNotes {
  readonly #modules: ProbeNotesModules;
  readonly #last = new Map<string, LastProbe>();
  readonly #counts = { ok: 0, failed: 0, impossible: 0 };
  #complainedMs = Number.NEGATIVE_INFINITY;

  constructor(modules: ProbeNotesModules) {
    this.#modules = modules;
  }

  /** Notes a result, of whatever kind. */
  count({ local, ok }: ProbeResult): void {
    this.#counts[local ? 'impossible' : ok ? 'ok' : 'failed']++;
  }

  /** Notes a result that says something of its target. */
  note(key: string, { ok, detail, elapsedMs }: ProbeResult): void {
    const atMs = this.#modules.now();
    const error = ok ? this.#last.get(key)?.error : { atMs, detail };
    this.#last.set(key, { startMs: atMs - elapsedMs, atMs, ...(error && { error }) });
  }

  /** This host could not make the probe: the view of the target grows old and leaves the count. */
  complain(target: HealthTarget | undefined, detail: string): void {
    const { monotonic, log } = this.#modules;
    if (monotonic() - this.#complainedMs < COMPLAINT_MS) return;
    this.#complainedMs = monotonic();
    const facts = { target: target?.host, monitor: target?.monitor?.name, detail };
    log.warn(facts, `this host can't probe ${target?.host}: ${detail}`);
  }

  /** Forgets all targets but these. */
  retain(wanted: { has(key: string): boolean }): void {
    for (const key of this.#last.keys()) if (!wanted.has(key)) this.#last.delete(key);
  }

  /** Undefined before the first one, and where nothing is probed. */
  lastOf(key: string): LastProbe | undefined {
    return this.#last.get(key);
  }

  get counts(): ProbeCounts {
    return { ...this.#counts };
  }
}
