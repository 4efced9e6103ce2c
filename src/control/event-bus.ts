/**
 * What happens on a node, as one sequence of events: changes of health, zones, revisions, steering, tokens. Kept are the
 * last ones, so that a reader who was away gets what it missed.
 */

/** Each kind of event, and what it tells; docs/api.md has the same list. */
export const EVENT_TYPES = {
  'health.transition': 'a health target became up or down',
  'zones.loaded': 'zones were read, and what they say is answered from now',
  'zones.refused': 'zone files have mistakes; their last good versions stay',
  'geo.loaded': 'a geo database is in use',
  'geo.refused': 'a geo database was refused; the one before stays',
  'revision.created': 'a change of zones or steering was recorded',
  'steering.changed': 'a force, dial, maintenance window or rollout was set, cleared, or ran out',
  'rollout.changed': 'a canary or blue-green rollout took a step, stopped or rolled back',
  'plan.created': 'a plan was made',
  'plan.applied': 'a plan was applied',
  'acme.updated': 'the value of an ACME challenge was set, or an ACME account was made or ended',
  'tokens.created': 'a token was made',
  'tokens.revoked': 'a token was revoked',
  'tokens.loaded': 'the token file was read again',
  'tokens.refused': 'the token file has mistakes; the tokens before stay',
  'certificate.loaded': 'the certificate of the API was read again',
  'certificate.refused': 'the certificate files of the API were refused; those before stay',
} as const;

export type EventType = keyof typeof EVENT_TYPES;

export interface BusEvent {
  /** Rises by one; begins anew, and higher, at each start. */
  readonly id: number;
  readonly type: EventType;
  /** ISO 8601. */
  readonly at: string;
  /** JSON; never a secret. */
  readonly data: object;
}

/** Events that are kept for readers who come back. */
export const EVENTS_KEPT_MAX = 1024;

export class EventBus {
  readonly #now: () => number;
  readonly #listeners = new Set<(event: BusEvent) => void>();
  readonly #kept: BusEvent[] = [];
  #id: number;

  /** `now`: milliseconds since 1970. Its first value is where the numbers begin. */
  constructor(now: () => number) {
    this.#now = now;
    this.#id = Math.trunc(now());
  }

  /** Tells everybody; returns the number of the event. A listener that throws is dropped. */
  publish({ type, data }: { readonly type: EventType; readonly data: object }): number {
    const event = { id: ++this.#id, type, at: new Date(this.#now()).toISOString(), data };
    this.#kept.push(event);
    if (this.#kept.length > EVENTS_KEPT_MAX) this.#kept.shift();
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch {
        // Whoever publishes is in the midst of a change, which must not fail because of a reader.
        this.#listeners.delete(listener);
      }
    }
    return event.id;
  }

  /** Calls a listener with each event; returns how to end that. */
  listen(listener: (event: BusEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * The events behind number `id` that are kept. `complete` is false where some in between are kept no more, or where
   * the number is of another start.
   */
  since(id: number): { readonly events: readonly BusEvent[]; readonly complete: boolean } {
    const first = this.#kept[0]?.id ?? this.#id + 1;
    return {
      events: this.#kept.filter((event) => event.id > id),
      complete: id >= first - 1 && id <= this.#id,
    };
  }

  /** Number of the last event. */
  get lastId(): number {
    return this.#id;
  }
}
