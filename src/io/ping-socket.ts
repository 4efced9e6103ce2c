import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { AF, ERRNO, type Linux, loadLinux, SOCK } from './batched/linux.js';
import { encodeAddress } from './batched/socket.js';

const IPPROTO = { ICMP: 1, ICMPV6: 58 } as const;

/** What has to be allowed, for whoever meets the error. */
export const PING_NOT_ALLOWED =
  'this host allows no ping sockets: set net.ipv4.ping_group_range so that it has the group of this process';

/**
 * An unprivileged ICMP echo socket (`SOCK_DGRAM`, `IPPROTO_ICMP`; Linux 3.0 and newer) as a datagram socket of
 * Node.js: it sends whole echo requests, and gets the replies to them and no others. The kernel fills in the identifier
 * and the checksum. The system call that makes it comes by FFI, since Node.js has none; the rest is Node's own.
 *
 * @param source a local address to send from.
 * @returns the socket, bound, or why there is none. Never throws.
 */
export function openPingSocket(
  family: 4 | 6,
  source?: string,
): { readonly socket: Socket } | { readonly unavailable: string } {
  linux ??= loadLinux();
  if ('unavailable' in linux) return { unavailable: `ping needs Linux and koffi: ${linux.unavailable}` };
  const fd = linux.socket(
    family === 6 ? AF.INET6 : AF.INET,
    SOCK.DGRAM | SOCK.NONBLOCK | SOCK.CLOEXEC,
    family === 6 ? IPPROTO.ICMPV6 : IPPROTO.ICMP,
  );
  if (fd < 0) return { unavailable: reason(linux) };
  if (source !== undefined && isIPv6(source) === (family === 6)) {
    const address = encodeAddress({ host: source, port: 0 });
    if (linux.bind(fd, address, address.length) < 0) {
      const unavailable = `no local address ${source} (${code(linux)})`;
      linux.close(fd);
      return { unavailable };
    }
  }
  const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
  try {
    socket.bind({ fd });
    return { socket };
  } catch (error) {
    linux.close(fd);
    return { unavailable: `ping is not possible with this Node.js: ${String(error)}` };
  }
}

let linux: Linux | { readonly unavailable: string } | undefined;

function reason(calls: Linux): string {
  const name = code(calls);
  return name === 'EACCES' || name === 'EPERM' ? PING_NOT_ALLOWED : `no ping socket (${name})`;
}

function code(calls: Linux): string {
  const errno = calls.errno();
  return ERRNO[errno] ?? `errno ${errno}`;
}
