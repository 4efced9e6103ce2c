import { Resolver } from 'node:dns/promises';
import { parseIPv4, parseIPv6 } from '../core/dns/rdata/address.js';

/** Addresses of a name with the smallest of their TTLs, or why there is no answer. */
export type Resolved =
  | { readonly addresses: readonly Uint8Array[]; readonly ttlSeconds: number }
  | { readonly error: string };

export interface NameResolverOptions {
  /** `192.0.2.1`, `192.0.2.1:5353`, `[2001:db8::1]:53`; empty for those of the system. */
  readonly servers: readonly string[];
  readonly timeoutMs: number;
}

export interface NameResolver {
  /** Never rejects. A name without addresses of the family, or that does not exist, has none: no error. */
  resolve(name: string, family: 4 | 6): Promise<Resolved>;
  /** Gives up what is under way. */
  close(): void;
}

/** Seconds: how long "no such name" is believed; its SOA does not come through this interface. */
const NEGATIVE_TTL = 60;
const TRIES = 2;

/**
 * Asks recursive resolvers. Node's own (c-ares) keeps the TTL, repeats over TCP what was cut off, follows aliases and
 * knows the resolvers of the system; a library for messages would leave all of that to us.
 */
export function createNameResolver({ servers, timeoutMs }: NameResolverOptions): NameResolver {
  const resolver = new Resolver({ timeout: timeoutMs, tries: TRIES });
  if (servers.length > 0) resolver.setServers(servers);
  return {
    async resolve(name, family) {
      const host = name.length > 1 && name.endsWith('.') ? name.slice(0, -1) : name;
      try {
        const records =
          family === 4
            ? await resolver.resolve4(host, { ttl: true })
            : await resolver.resolve6(host, { ttl: true });
        const addresses = records.flatMap(({ address }) => {
          const bytes = family === 4 ? parseIPv4(address) : parseIPv6(address);
          return bytes ? [bytes] : [];
        });
        return { addresses, ttlSeconds: Math.min(...records.map(({ ttl }) => ttl), 0xffff_ffff) };
      } catch (error) {
        const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
        if (code === 'ENODATA' || code === 'ENOTFOUND') return { addresses: [], ttlSeconds: NEGATIVE_TTL };
        return { error: code };
      }
    },
    close: () => resolver.cancel(),
  };
}
