/**
 * How a probe reaches its target: only addresses that the server's configuration lets it, from the address that the
 * monitor asks for. A name is looked up by the system; what is limited is the addresses that come of it.
 */
import { type LookupAddress, lookup } from 'node:dns';
import { isIP, type LookupFunction, type TcpSocketConnectOpts } from 'node:net';
import { EVERY_NETWORK, mayReach, type ProbeNetworks } from '../core/probe/limits.js';
import { LocalFailure } from './failure.js';

export interface Dial {
  readonly host: string;
  readonly port: number;
  readonly sources?: readonly string[];
}

export interface Resolved {
  readonly address: string;
  readonly family: 4 | 6;
  /** The monitor's source of that family, if it has one. */
  readonly source?: string;
}

/** Options of `net.connect` and `tls.connect`; throws where the target is an address that must not be probed. */
export function dialOptions({ host, port, sources }: Dial, networks: ProbeNetworks): TcpSocketConnectOpts {
  const family = isIP(host);
  if (family !== 0) {
    assertReachable(host, networks);
    const localAddress = sources?.find((source) => isIP(source) === family);
    return localAddress === undefined ? { host, port } : { host, port, localAddress };
  }
  const filter = networks === EVERY_NETWORK ? undefined : { lookup: reachableOnly(networks) };
  // One source is of one family: the name's addresses of the other can't be asked from it.
  const localAddress = sources?.[0];
  if (localAddress === undefined) return { host, port, ...filter };
  return { host, port, localAddress, family: isIP(localAddress), ...filter };
}

/** An address to send datagrams to, and one to send them from. Rejects as `dialOptions` throws. */
export async function resolveOne(
  { host, sources }: Omit<Dial, 'port'>,
  networks: ProbeNetworks,
): Promise<Resolved> {
  const { address, family } = isIP(host)
    ? { address: host, family: isIP(host) }
    : await find(host, sources, networks);
  assertReachable(address, networks);
  const source = sources?.find((one) => isIP(one) === family);
  return { address, family: family === 6 ? 6 : 4, ...(source === undefined ? {} : { source }) };
}

export function forbidden(address: string): Error {
  return new LocalFailure(`${address} is not among the networks that may be probed (probes.networks)`);
}

function assertReachable(address: string, networks: ProbeNetworks): void {
  if (!mayReach(networks, address)) throw forbidden(address);
}

/** Every address of a name; the first that may be asked counts. */
function find(
  host: string,
  sources: readonly string[] | undefined,
  networks: ProbeNetworks,
): Promise<LookupAddress> {
  const families = sources?.map(isIP);
  return new Promise((resolve, reject) => {
    lookup(host, { all: true }, (error, addresses) => {
      if (error) return reject(error);
      const usable = families ? addresses.filter(({ family }) => families.includes(family)) : addresses;
      const found = usable.find(({ address }) => mayReach(networks, address));
      if (found) resolve(found);
      else reject(forbidden(usable[0]?.address ?? host));
    });
  });
}

/** A lookup for `net.connect` that leaves out what must not be asked. */
function reachableOnly(networks: ProbeNetworks): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, '');
      const reachable = addresses.filter(({ address }) => mayReach(networks, address));
      const [first] = reachable;
      if (!first) return callback(forbidden(addresses[0]?.address ?? hostname), '');
      if (options.all) callback(null, reachable);
      else callback(null, first.address, first.family);
    });
  };
}
