import { hashToken, matchToken, plainZone, type Role, type Token } from '../sources/token-file.js';
import type { EventBus } from './event-bus.js';
import {
  NO_TOKENS,
  STORED_TOKENS_MAX,
  type StoredToken,
  type StoredTokens,
  type TokenStore,
} from './token-store.js';

/** Who presents a token. */
export type TokenHolder = Omit<Token, 'digest'>;

/** What is told of a token; never the token itself. */
export interface TokenFacts extends TokenHolder {
  /** `file`: the token file; `node`: made by the node at its first start; `api`: made through the API. */
  readonly source: 'file' | 'node' | 'api';
  readonly state: 'valid' | 'expired' | 'revoked';
  /** All times are ISO 8601. */
  readonly created?: string;
  /** Name of the token that made it. */
  readonly by?: string;
  readonly expires?: string;
  /** To the minute; absent where it was not used since that is counted. */
  readonly lastUsed?: string;
  /** The first digits of its SHA-256, to find it in a token file. */
  readonly fingerprint: string;
}

export interface TokenDraft {
  readonly name: string;
  readonly role: Role;
  readonly node?: string;
  readonly zones?: readonly string[];
  readonly expiresMs?: number;
}

export interface TokenRefusal {
  readonly code:
    | 'name_taken'
    | 'exceeds_creator'
    | 'limit_reached'
    | 'not_found'
    | 'last_admin'
    | 'not_saved';
  readonly message: string;
}

export interface TokenBookModules {
  readonly store: TokenStore;
  readonly events?: EventBus;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** A new token: at least 32 random bytes. */
  readonly newSecret: () => string;
  readonly log: { error(facts: object, message: string): void };
}

interface Entry extends Token {
  readonly source: TokenFacts['source'];
  readonly hex: string;
  readonly created?: string;
  readonly by?: string;
}

const USED_STEP_MS = 60_000;
/** How long a token that ran out is still listed. */
const EXPIRED_KEPT_MS = 30 * 86_400_000;

/**
 * All tokens that the API takes: those of the token file, or of the node itself, and those made through the API. A
 * change is on the disk before it counts.
 */
export class TokenBook {
  readonly #modules: TokenBookModules;
  #given: readonly Entry[] = [];
  #stored: StoredTokens;
  #made: readonly Entry[];
  readonly #usedMs: Map<string, number>;
  #usedChanged = false;
  #work: Promise<unknown> = Promise.resolve();

  constructor(modules: TokenBookModules, stored: StoredTokens = NO_TOKENS) {
    this.#modules = modules;
    this.#stored = stored;
    this.#made = stored.tokens.map(entryOf);
    this.#usedMs = new Map(Object.entries(stored.used).map(([hex, at]) => [hex, Date.parse(at)]));
  }

  /** Takes the tokens of a file, or of the node, in place of earlier ones. */
  give(tokens: readonly Token[], source: 'file' | 'node'): void {
    this.#given = tokens.map((token) => ({ ...token, source, hex: hexOf(token.digest) }));
  }

  /** Whose token this is; null for nobody's, one that ran out, or was revoked. Constant time, as `findToken`. */
  find(presented: string): TokenHolder | null {
    const found = matchToken(this.#entries(), presented);
    if (!found || this.#stateOf(found) !== 'valid') return null;
    this.#noteUse(found.hex);
    return holderOf(found);
  }

  list(): readonly TokenFacts[] {
    return this.#entries().map((entry) => this.#factsOf(entry));
  }

  /** Makes a token. The secret is in the result and nowhere else. */
  create(
    draft: TokenDraft,
    by: TokenHolder,
  ): Promise<{ readonly secret: string; readonly facts: TokenFacts } | TokenRefusal> {
    return this.#enqueue(async () => {
      const refusal = this.#refuse(draft, by);
      if (refusal) return refusal;
      const secret = this.#modules.newSecret();
      const token = this.#storedFrom(draft, by, secret);
      const kept = this.#stored.tokens.filter((one) => !this.#isForgotten(one));
      if (!(await this.#save({ ...this.#stored, tokens: [...kept, token] }))) return NOT_SAVED;
      const facts = this.#factsOf(entryOf(token));
      this.#publish('tokens.created', {
        name: draft.name,
        role: draft.role,
        by: by.name,
        expires: token.expires,
      });
      return { secret, facts };
    });
  }

  /** Revokes all tokens of a name, at once and for ever. `force`: though no token of the role admin is left. */
  revoke(
    name: string,
    { by, force }: { readonly by: TokenHolder; readonly force: boolean },
  ): Promise<{ readonly revoked: number } | TokenRefusal> {
    return this.#enqueue(async () => {
      const valid = this.#entries().filter((entry) => this.#stateOf(entry) !== 'revoked');
      const gone = valid.filter((entry) => entry.name === name);
      if (gone.length === 0) return { code: 'not_found', message: `there is no token ${name}` };
      const admins = valid.filter((entry) => entry.role === 'admin' && this.#stateOf(entry) === 'valid');
      if (!force && admins.length > 0 && admins.every((entry) => gone.includes(entry))) {
        return { code: 'last_admin', message: `${name} is the last token of the role admin` };
      }
      const ofFiles = gone.filter(({ source }) => source !== 'api');
      const at = new Date(this.#modules.now()).toISOString();
      const revoked = [
        ...this.#stored.revoked,
        ...ofFiles.map(({ hex }) => ({ sha256: hex, name, at, by: by.name })),
      ];
      if (revoked.length > STORED_TOKENS_MAX) {
        return {
          code: 'limit_reached',
          message: `${STORED_TOKENS_MAX} tokens of files are revoked: take them out of the file`,
        };
      }
      const tokens = this.#stored.tokens.filter((token) => token.name !== name);
      if (!(await this.#save({ ...this.#stored, tokens, revoked }))) return NOT_SAVED;
      this.#publish('tokens.revoked', { name, by: by.name, tokens: gone.length });
      return { revoked: gone.length };
    });
  }

  /** Writes when tokens were used last, if that changed. */
  async flush(): Promise<void> {
    if (!this.#usedChanged) return;
    await this.#enqueue(() => this.#save(this.#stored));
  }

  #entries(): readonly Entry[] {
    return [...this.#given, ...this.#made];
  }

  #stateOf({ hex, source, expiresMs = Number.POSITIVE_INFINITY }: Entry): TokenFacts['state'] {
    if (source !== 'api' && this.#stored.revoked.some(({ sha256 }) => sha256 === hex)) return 'revoked';
    return this.#modules.now() >= expiresMs ? 'expired' : 'valid';
  }

  #noteUse(hex: string): void {
    const minute = Math.floor(this.#modules.now() / USED_STEP_MS) * USED_STEP_MS;
    if (this.#usedMs.get(hex) === minute) return;
    this.#usedMs.set(hex, minute);
    this.#usedChanged = true;
  }

  #refuse(draft: TokenDraft, by: TokenHolder): TokenRefusal | undefined {
    const excess = excessOf(draft, by);
    if (excess !== undefined) return { code: 'exceeds_creator', message: excess };
    if (this.#entries().some(({ name }) => name === draft.name)) {
      return {
        code: 'name_taken',
        message: `there is a token ${draft.name} already: revoke it, or choose another name`,
      };
    }
    if (this.#stored.tokens.filter((one) => !this.#isForgotten(one)).length < STORED_TOKENS_MAX)
      return undefined;
    return {
      code: 'limit_reached',
      message: `there are ${STORED_TOKENS_MAX} tokens: revoke what is not used`,
    };
  }

  #isForgotten({ expires }: StoredToken): boolean {
    return expires !== undefined && Date.parse(expires) + EXPIRED_KEPT_MS < this.#modules.now();
  }

  #storedFrom(draft: TokenDraft, by: TokenHolder, secret: string): StoredToken {
    const { name, role, zones, expiresMs, node = role === 'report' ? name : undefined } = draft;
    return {
      name,
      role,
      sha256: hexOf(hashToken(secret)),
      created: new Date(this.#modules.now()).toISOString(),
      by: by.name,
      ...(node !== undefined && { node }),
      ...(zones && { zones: zones.map(plainZone) }),
      ...(expiresMs !== undefined && { expires: new Date(expiresMs).toISOString() }),
    };
  }

  #factsOf(entry: Entry): TokenFacts {
    const { source, hex, created, by, expiresMs } = entry;
    const usedMs = this.#usedMs.get(hex);
    return {
      ...holderOf(entry),
      source,
      state: this.#stateOf(entry),
      ...(created !== undefined && { created }),
      ...(by !== undefined && { by }),
      ...(expiresMs !== undefined && { expires: new Date(expiresMs).toISOString() }),
      ...(usedMs !== undefined && { lastUsed: new Date(usedMs).toISOString() }),
      fingerprint: hex.slice(0, 12),
    };
  }

  /** Takes a new state once it is on the disk; false where it could not be written. */
  async #save(next: StoredTokens): Promise<boolean> {
    const known = new Set([...this.#given.map(({ hex }) => hex), ...next.tokens.map(({ sha256 }) => sha256)]);
    const used = [...this.#usedMs].filter(([hex]) => known.has(hex));
    const stored = {
      ...next,
      used: Object.fromEntries(used.map(([hex, ms]) => [hex, new Date(ms).toISOString()])),
    };
    try {
      this.#usedChanged = false;
      await this.#modules.store.save(stored);
    } catch (error) {
      this.#usedChanged = true;
      this.#modules.log.error({ error: String(error) }, 'the tokens cannot be saved');
      return false;
    }
    this.#stored = stored;
    this.#made = stored.tokens.map(entryOf);
    return true;
  }

  #publish(type: 'tokens.created' | 'tokens.revoked', data: object): void {
    this.#modules.events?.publish({ type, data });
  }

  /** One change at a time. */
  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#work.then(work);
    this.#work = done.catch(() => {});
    return done;
  }
}

const NOT_SAVED: TokenRefusal = {
  code: 'not_saved',
  message: 'the tokens cannot be written to the state folder; nothing changed',
};

/** What a new token would give that its creator does not have; undefined where there is nothing. */
function excessOf({ role, zones, expiresMs, node }: TokenDraft, by: TokenHolder): string | undefined {
  if (by.role !== 'admin' && role !== by.role && !(role === 'read' && by.role !== 'report')) {
    return `the role ${by.role} cannot give the role ${role}`;
  }
  if (by.node !== undefined && node !== by.node) return `${by.name} is for the node ${by.node} only`;
  const allowed = by.zones;
  if (allowed && role === 'zones' && !zones?.every((zone) => allowed.includes(plainZone(zone)))) {
    return `${by.name} is for the zones ${allowed.join(', ')} only`;
  }
  const limitMs = by.expiresMs ?? Number.POSITIVE_INFINITY;
  if ((expiresMs ?? Number.POSITIVE_INFINITY) <= limitMs) return undefined;
  return `${by.name} runs out on ${new Date(limitMs).toISOString()}, and what it makes cannot last longer: name "expires"`;
}

function holderOf({ name, role, node, zones, expiresMs }: Token): TokenHolder {
  return {
    name,
    role,
    ...(node !== undefined && { node }),
    ...(zones && { zones }),
    ...(expiresMs !== undefined && { expiresMs }),
  };
}

function entryOf(token: StoredToken): Entry {
  const { name, role, sha256, created, by, node, zones, expires } = token;
  return {
    name,
    role,
    digest: Buffer.from(sha256, 'hex'),
    hex: sha256,
    source: 'api',
    created,
    by,
    ...(node !== undefined && { node }),
    ...(zones && { zones }),
    ...(expires !== undefined && { expiresMs: Date.parse(expires) }),
  };
}

function hexOf(digest: Uint8Array): string {
  return Buffer.from(digest).toString('hex');
}
