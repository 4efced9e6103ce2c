import { createSocket } from 'node:dgram';
import { type AddressInfo, createServer } from 'node:net';
import { ListenError, type SocketAddress } from './tier.js';

/**
 * Makes sure that nobody listens on an address yet, over UDP and TCP (or over one only), and returns it with its real port (0 in:
 * a free one out). Needed before workers share it with SO_REUSEPORT, which would let a second server of the
 * same user in without an error. Throws ListenError.
 */
export async function claimAddress(
  address: SocketAddress,
  transports: 'udp+tcp' | 'tcp' | 'udp' = 'udp+tcp',
): Promise<SocketAddress> {
  if (transports === 'udp') return { host: address.host, port: await tryUdp(address) };
  if (transports === 'tcp') return { host: address.host, port: await tryTcp(address) };
  for (let attempt = 1; ; attempt++) {
    const bound = { host: address.host, port: await tryUdp(address) };
    try {
      await tryTcp(bound);
      return bound;
    } catch (error) {
      // With port 0 the free UDP port may be taken over TCP: ask for another.
      if (address.port !== 0 || attempt === PORT_ATTEMPTS) throw error;
    }
  }
}

const PORT_ATTEMPTS = 20;

/** The machine does not have this address, or not this family: an IPv6 address where IPv6 is off. */
export function isMissingAddress(error: unknown): boolean {
  return error instanceof ListenError && ['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EINVAL'].includes(error.code);
}

function tryUdp(address: SocketAddress): Promise<number> {
  const v6 = address.host.includes(':');
  const socket = createSocket({ type: v6 ? 'udp6' : 'udp4', ipv6Only: v6 });
  return new Promise((resolve, reject) => {
    socket.once('error', (error: NodeJS.ErrnoException) => {
      socket.close();
      reject(listenError(error, address));
    });
    socket.bind({ port: address.port, address: address.host, exclusive: true }, () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });
}

function tryTcp(address: SocketAddress): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, address)));
    server.listen({ port: address.port, host: address.host, ipv6Only: true, exclusive: true }, () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

/** An error of node:dgram or node:net as the tiers report theirs. */
export function listenError(error: NodeJS.ErrnoException, address: SocketAddress): ListenError {
  const code = error.code ?? 'unknown';
  return new ListenError(code, address, `cannot listen on ${address.host} port ${address.port}: ${code}`);
}
