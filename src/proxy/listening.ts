import type { Server } from 'node:net';
import { type Address, formatAddress } from '../core/balance/model.js';

/** A listener that couldn't be opened, with the key of the configuration to change. */
export interface ListenFailure {
  readonly code: 'address_in_use' | 'address_not_available' | 'permission_denied' | 'listen_failed';
  readonly address: string;
  /** Such as `listeners[0].listen`. */
  readonly key: string;
  readonly message: string;
}

/** Opens `server` on `address`; null when it listens. */
export function listen(server: Server, address: Address, key: string): Promise<ListenFailure | null> {
  return new Promise((resolve) => {
    const failed = (error: NodeJS.ErrnoException): void =>
      resolve(listenFailure(error.code, error.message, formatAddress(address), key));
    server.once('error', failed);
    server.listen({ host: address.host, port: address.port, backlog: 1024 }, () => {
      server.off('error', failed);
      resolve(null);
    });
  });
}

/** The port that was really opened: of interest where the configuration says 0. */
export function boundPort(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** The failure for an error code of the system, such as EADDRINUSE. */
export function listenFailure(
  code: string | undefined,
  detail: string,
  address: string,
  key: string,
): ListenFailure {
  switch (code) {
    case 'EADDRINUSE':
      return {
        code: 'address_in_use',
        address,
        key,
        message: `${address} is in use: stop the other program or change ${key}`,
      };
    case 'EADDRNOTAVAIL':
      return {
        code: 'address_not_available',
        address,
        key,
        message: `${address} is no address of this machine: change ${key}`,
      };
    case 'EACCES':
      return {
        code: 'permission_denied',
        address,
        key,
        message: `${address} needs more rights: change ${key}`,
      };
    default:
      return {
        code: 'listen_failed',
        address,
        key,
        message: `${address} can't be opened (${detail}): change ${key}`,
      };
  }
}
