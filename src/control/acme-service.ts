import { TYPE } from '../core/dns/iana.js';
import { formatName, isNameError, lowerName, parseName } from '../core/dns/name.js';
import type { Prefix } from '../core/zone/model.js';
import type { AcmeBook, Registered, UpdateOutcome } from './acme-book.js';
import type { AcmeEntry } from './acme-entry.js';
import type { ControlPlane } from './control-plane.js';

export interface AcmeSettings {
  /** Below it `/register` makes names; absolute, in lower case. */
  readonly domain?: string;
  /** Who may register without a token. */
  readonly registerFrom: readonly Prefix[];
  /** Whose X-Forwarded-For counts. */
  readonly proxies: readonly Prefix[];
  /** DNS nodes whose accounts and values count here. */
  readonly peers: readonly string[];
  /** Start of this process, milliseconds since 1970. */
  readonly epoch: number;
}

/** Why a name can't have challenges here. */
export interface NameMistake {
  readonly code: 'bad_name' | 'not_served' | 'not_answered' | 'no_domain' | 'forbidden_zone';
  readonly message: string;
}

export interface AccountRequest {
  /** The name that is to get a certificate; absent for a name of its own below the domain. */
  readonly certified?: string;
  readonly allowFrom: readonly string[];
  readonly note: string;
}

const LABEL = '_acme-challenge.';

/** What may be done in a zone, by the name of its origin without the last dot; undefined: in every zone. */
export type ZoneGuard = (zone: string) => boolean;

/** ACME challenges of one node: whose accounts may stand at which names. */
export class AcmeService {
  readonly book: AcmeBook;
  readonly settings: AcmeSettings;
  readonly #control: ControlPlane;

  constructor(book: AcmeBook, settings: AcmeSettings, control: ControlPlane) {
    this.book = book;
    this.settings = settings;
    this.#control = control;
  }

  /** Makes an account for the challenges of a name in a zone of this server, or for one below the domain. */
  async register(
    { certified, allowFrom, note }: AccountRequest,
    mayChange: ZoneGuard = () => true,
  ): Promise<Registered | NameMistake> {
    const { domain } = this.settings;
    const base = certified === undefined ? domain : challengeName(certified);
    if (base === undefined) {
      return { code: 'no_domain', message: 'acme.domain names no domain: say which name is to be certified' };
    }
    if (typeof base === 'object') return base;
    const mistake = this.#nameMistake(base, certified === undefined);
    if (mistake) return mistake;
    const zone = this.zoneOf(base);
    if (zone !== undefined && !mayChange(zone)) {
      return { code: 'forbidden_zone', message: `the token may not change the zone ${zone}` };
    }
    const nameOf = (subdomain: string) => (certified === undefined ? `${subdomain}.${base}` : base);
    const made = await this.book.register({ nameOf, allowFrom, note });
    if ('account' in made) this.#tell(made.account, 'account_made');
    return made;
  }

  /** Gives an account's name a value. */
  async update(account: AcmeEntry, txt: string): Promise<UpdateOutcome> {
    const outcome = await this.book.update(account, txt);
    if (outcome === 'done') this.#tell(account, 'value_set');
    return outcome;
  }

  /** Ends an account. */
  async remove(account: AcmeEntry): Promise<'done' | 'absent' | 'not_saved'> {
    const outcome = await this.book.remove(account.username);
    if (outcome === 'done') this.#tell(account, 'account_ended');
    return outcome;
  }

  /** The origin of the closest zone that holds a name, without the last dot; undefined where none does. */
  zoneOf(name: string): string | undefined {
    for (let at = 0; at >= 0; at = name.indexOf('.', at) + 1 || -1) {
      const zone = name.slice(at);
      if (zone !== '' && this.#control.zoneList.get(zone)) return zone.slice(0, -1);
    }
    return undefined;
  }

  #tell({ name, username }: AcmeEntry, change: 'account_made' | 'account_ended' | 'value_set'): void {
    this.#control.events.publish({ type: 'acme.updated', data: { name, username, change } });
  }

  /** Asks the query path itself whether it comes to the challenges of a name. */
  #nameMistake(name: string, isDomain: boolean): NameMistake | undefined {
    const wire = parseName(isDomain ? `x.${name}` : name);
    if (isNameError(wire)) return { code: 'bad_name', message: wire.message };
    const { steps, answers } = this.#control.explain({
      name: wire,
      type: TYPE.TXT,
      source: Uint8Array.of(127, 0, 0, 1),
      seed: 1,
    });
    const found = steps[0]?.['found'];
    if (found === 'not-ours') return { code: 'not_served', message: `${name} is in no zone of this server` };
    if (found === 'delegation' || found === 'dname') {
      const what = found === 'dname' ? 'has a DNAME' : 'is delegated to other servers';
      return { code: 'not_answered', message: `${String(steps[0]?.['name'])} ${what}` };
    }
    if (found === 'exact' && answers[0]?.type === 'CNAME') {
      return { code: 'not_answered', message: `${name} has a CNAME to ${answers[0].rdata}` };
    }
    return undefined;
  }
}

/** Where a certificate authority asks for a name (RFC 8555 §8.4); a wildcard's is that of the name above it. */
function challengeName(certified: string): string | NameMistake {
  const plain = certified.replace(/^\*\./, '');
  const text = plain.toLowerCase().startsWith(LABEL) ? plain : `${LABEL}${plain}`;
  const name = parseName(text.endsWith('.') ? text : `${text}.`);
  if (isNameError(name)) return { code: 'bad_name', message: name.message };
  return formatName(lowerName(name));
}
