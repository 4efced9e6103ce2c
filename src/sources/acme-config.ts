import { formatName, isNameError, lowerName, parseName } from '../core/dns/name.js';
import { parsePrefix } from '../core/dns/rdata/address.js';
import type { TrustedPrefix } from '../core/proxy-protocol/trusted.js';
import { parseDuration } from './duration.js';
import type { ServerFile } from './server-schema.js';

/** The section `acme` of `meridian.yaml`. */
export interface AcmeConfig {
  /** Absolute, in lower case. */
  readonly domain?: string;
  readonly registerFrom: readonly TrustedPrefix[];
  readonly proxies: readonly TrustedPrefix[];
  readonly lifetimeMs: number;
  readonly maxAccounts: number;
}

const LIFETIME_MS_MIN = 60_000;
const LIFETIME_MS_MAX = 86_400_000;
/** Room for the 37 bytes of a subdomain in front. */
const DOMAIN_BYTES_MAX = 255 - 37;

type Report = (key: string, message: string, index?: number) => void;

export function acmeOf(acme: NonNullable<ServerFile['acme']>, hasApi: boolean, report: Report): AcmeConfig {
  if (!hasApi) report('acme', 'needs the API, and api.listen is off');
  const lifetimeMs = parseDuration(acme.lifetime) ?? 0;
  if (lifetimeMs < LIFETIME_MS_MIN || lifetimeMs > LIFETIME_MS_MAX) {
    report('acme.lifetime', `must be from 1m to 1d, not ${acme.lifetime}`);
  }
  const domain = acme.domain === undefined ? undefined : domainOf(acme.domain, report);
  return {
    ...(domain !== undefined && { domain }),
    registerFrom: prefixesOf('acme.register_from', acme.register_from, report),
    proxies: prefixesOf('acme.proxies', acme.proxies, report),
    lifetimeMs,
    maxAccounts: acme.max_accounts,
  };
}

function domainOf(text: string, report: Report): string | undefined {
  const name = parseName(text.endsWith('.') ? text : `${text}.`);
  if (isNameError(name)) report('acme.domain', name.message);
  else if (name.length > DOMAIN_BYTES_MAX)
    report('acme.domain', `must have at most ${DOMAIN_BYTES_MAX} bytes`);
  else if (name.length < 2) report('acme.domain', 'must be a name in a zone, not the root');
  else return formatName(lowerName(name));
  return undefined;
}

function prefixesOf(key: string, texts: readonly string[], report: Report): TrustedPrefix[] {
  return texts.flatMap((text, index) => {
    const prefix = parsePrefix(text);
    if (!('code' in prefix)) return [prefix];
    report(key, prefix.message, index);
    return [];
  });
}
