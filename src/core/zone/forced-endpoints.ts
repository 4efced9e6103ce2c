import { formatName } from '../dns/name.js';
import { formatAddress } from '../dns/rdata/address.js';
import type { Endpoint, Family, Zone } from './model.js';

/** One address of an endpoint whose state the operator fixed (`status: up`, `status: down`): nothing watches it. */
export interface ForcedEndpoint {
  /** The address in text, or a host name without its trailing dot. */
  readonly host: string;
  readonly state: 'up' | 'down';
  /** With its zone, for people. */
  readonly pool: string;
  /** The monitor that would watch it. */
  readonly monitor?: string;
}

const FAMILIES: readonly Family[] = ['A', 'AAAA', 'CNAME'];

export function forcedEndpoints({ origin, pools }: Zone): readonly ForcedEndpoint[] {
  return [...pools.values()].flatMap(({ name, monitor, endpoints }) =>
    endpoints.flatMap((endpoint) => {
      const { status } = endpoint;
      if (status === 'obey') return [];
      const pool = `pool ${name} of ${origin}`;
      return hostsOf(endpoint).map((host) => ({
        host,
        state: status,
        pool,
        ...(monitor !== undefined && { monitor }),
      }));
    }),
  );
}

function hostsOf({ rdata }: Endpoint): readonly string[] {
  return FAMILIES.flatMap((family) => {
    const bytes = rdata[family];
    if (!bytes) return [];
    return [family === 'CNAME' ? formatName(bytes).slice(0, -1) : formatAddress(bytes)];
  });
}
