import type { AccessReason } from '../../core/access-log/entry.js';
import { hashText } from '../../core/balance/hash.js';
import type { GeoTrie } from '../../core/geo/trie.js';
import { hostName } from '../../core/http/authority.js';
import { type FixedReply, fixedReply } from '../../core/http/fixed-reply.js';
import type { Head } from '../../core/http/head.js';
import type { RequestFacts } from '../../core/http/hygiene.js';
import { DENIED } from '../../core/limit/access-trie.js';
import type { BucketTable } from '../../core/limit/bucket-table.js';
import type { ClientAddress } from '../../core/limit/client-address.js';
import type { KeyHash } from '../../core/limit/key-hash.js';
import { refusalFields, waitSeconds } from '../../core/limit/limit-fields.js';
import { limitNumber } from '../../core/limit/limit-identity.js';
import type { LimitKey, RateLimitModel } from '../../core/limit/limit-model.js';
import { LIMIT_CELL } from './limit-cells.js';

/** The answer to a request that may not pass. */
export interface Denial extends FixedReply {
  readonly reason: AccessReason;
}

/** What the guards of one thread share. */
export interface GuardModules {
  readonly table: BucketTable;
  readonly hash: KeyHash;
  readonly client: ClientAddress;
  /** Milliseconds of the clock that all threads share. */
  now(): number;
}

/** One limit where it is used. */
export interface BoundLimit {
  readonly model: RateLimitModel;
  readonly slot: number;
  /** By LIMIT_CELL. */
  readonly cells: Float64Array;
}

/** A list of clients; the trie is replaced when a database changes. */
export interface AccessHolder {
  trie: GeoTrie | null;
}

const FORBIDDEN: Denial = {
  reason: 'denied',
  ...fixedReply({
    ...{ status: 403, type: 'text/plain; charset=utf-8', body: '403 this address may not ask here\n' },
    fields: [{ name: 'Cache-Control', value: 'no-store' }],
  }),
};

/** Decides whether a request passes: by the client's address, then by each limit. Nothing is allocated for one that does. */
export class RequestGuard {
  readonly #modules: GuardModules;
  readonly #access: AccessHolder | null;
  readonly #limits: readonly LimitCheck[];

  /** `route`: tells the routes apart that share a limit. */
  constructor(
    modules: GuardModules,
    {
      access,
      limits,
      route,
    }: {
      readonly access: AccessHolder | null;
      readonly limits: readonly BoundLimit[];
      readonly route: string;
    },
  ) {
    this.#modules = modules;
    this.#access = access;
    this.#limits = limits.map((limit) => new LimitCheck(modules, limit, hashText(route)));
  }

  /** Null if the request passes. `address`: the client's. */
  check(head: Head, facts: RequestFacts, address: string): Denial | null {
    const { client } = this.#modules;
    client.read(address);
    const trie = this.#access === null ? null : this.#access.trie;
    if (trie !== null && client.classIn(trie) === DENIED) return FORBIDDEN;
    const limits = this.#limits;
    for (let i = 0; i < limits.length; i++) {
      const denial = limits[i]!.check(head, facts);
      if (denial !== null) return denial;
    }
    return null;
  }
}

class LimitCheck {
  readonly #modules: GuardModules;
  readonly #limit: BoundLimit;
  readonly #number: number;
  readonly #route: number;
  #seconds = 0;
  #denial: Denial | null = null;

  constructor(modules: GuardModules, limit: BoundLimit, route: number) {
    this.#modules = modules;
    this.#limit = limit;
    this.#number = limitNumber(limit.model);
    this.#route = route;
  }

  check(head: Head, facts: RequestFacts): Denial | null {
    const { table, hash } = this.#modules;
    const { model, slot, cells } = this.#limit;
    hash.begin(this.#number);
    const { keys } = model;
    for (let i = 0; i < keys.length; i++) {
      if (this.#add(keys[i]!, head, facts)) continue;
      cells[LIMIT_CELL.WITHOUT_KEY]! += 1;
      if (model.missing === 'pass') return null;
      this.#addAddress();
    }
    const left = table.take(hash.first, hash.second, slot, this.#modules.now());
    if (left >= 0) {
      cells[LIMIT_CELL.PASSED]! += 1;
      return null;
    }
    if (model.dryRun) {
      cells[LIMIT_CELL.DRY_RUN]! += 1;
      return null;
    }
    cells[LIMIT_CELL.REFUSED]! += 1;
    return this.#refusal(waitSeconds(-left));
  }

  /** False if the request has no such key. */
  #add(key: LimitKey, head: Head, facts: RequestFacts): boolean {
    const { hash } = this.#modules;
    switch (key.by) {
      case 'address':
        this.#addAddress();
        return true;
      case 'host':
        hash.text(facts.host === null ? '' : hostName(facts.host));
        return true;
      case 'route':
        hash.words(this.#route, 1);
        return true;
      case 'header':
        return this.#addHeader(head, key.name);
    }
  }

  #addAddress(): void {
    const { client, hash } = this.#modules;
    const { prefix4, prefix6 } = this.#limit.model;
    client.addTo(hash, prefix4, prefix6);
  }

  /** Of several lines with the name the first counts; an empty one is none. */
  #addHeader(head: Head, name: string): boolean {
    for (let i = 0; i < head.count; i++) {
      if (!head.nameIs(i, name)) continue;
      const start = head.base + head.valueStart[i]!;
      const end = head.base + head.valueEnd[i]!;
      if (end <= start) return false;
      this.#modules.hash.bytes(head.bytes, start, end);
      return true;
    }
    return false;
  }

  /** In a flood nearly all of them are the same. */
  #refusal(seconds: number): Denial {
    if (this.#denial !== null && this.#seconds === seconds) return this.#denial;
    this.#seconds = seconds;
    this.#denial = { reason: 'limited', ...limitReply(this.#limit.model, seconds) };
    return this.#denial;
  }
}

function limitReply(model: RateLimitModel, seconds: number): FixedReply {
  const fields = [...refusalFields(model, seconds), { name: 'Cache-Control', value: 'no-store' }];
  const body = `429 too many requests; try again in ${seconds} s\n`;
  return fixedReply({ status: 429, type: 'text/plain; charset=utf-8', body, fields });
}
