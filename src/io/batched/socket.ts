import { isIPv4, isIPv6 } from 'node:net';
import { addressBytes, addressText } from '../address.js';
import { LISTEN_BACKLOG, ListenError, type SocketAddress, UDP_BUFFER_BYTES } from '../tier.js';
import {
  AF,
  ERRNO,
  IP_MTU_DISCOVER,
  IP_PKTINFO,
  IPV6_MTU_DISCOVER,
  IPV6_RECVPKTINFO,
  IPV6_V6ONLY,
  type Linux,
  PMTUDISC_PROBE,
  SO,
  SOCK,
  SOL,
  TCP_NODELAY,
} from './linux.js';

/** `struct sockaddr_in` (16 bytes) or `sockaddr_in6` (28 bytes): family, port (big-endian), address. */
export function encodeAddress(address: SocketAddress): Uint8Array {
  if (isIPv4(address.host)) {
    const bytes = new Uint8Array(16);
    bytes[0] = AF.INET;
    setPort(bytes, address.port);
    addressBytes(address.host, bytes.subarray(4));
    return bytes;
  }
  if (!isIPv6(address.host)) throw new ListenError('EINVAL', address, `${address.host} is not an IP address`);
  const bytes = new Uint8Array(28);
  bytes[0] = AF.INET6;
  setPort(bytes, address.port);
  addressBytes(address.host, bytes.subarray(8));
  return bytes;
}

/** Whether packets to any local address arrive here, so that an answer must name its source. */
export function isWildcard(address: SocketAddress): boolean {
  const bytes = new Uint8Array(16);
  return addressBytes(address.host, bytes) && bytes.every((byte) => byte === 0);
}

export function openSocket(
  linux: Linux,
  address: SocketAddress,
  kind: 'udp' | 'tcp',
  shared: boolean,
): { fd: number; port: number } {
  const bytes = encodeAddress(address);
  const v6 = bytes.length === 28;
  const type = (kind === 'udp' ? SOCK.DGRAM : SOCK.STREAM) | SOCK.NONBLOCK | SOCK.CLOEXEC;
  const fd = check(linux, address, linux.socket(v6 ? AF.INET6 : AF.INET, type, 0), 'open a socket for');
  try {
    configure(linux, fd, address, kind, shared, v6);
    check(linux, address, linux.bind(fd, bytes, bytes.length), 'listen on');
    if (kind === 'tcp') check(linux, address, linux.listen(fd, LISTEN_BACKLOG), 'listen on');
    return { fd, port: boundPort(linux, fd) };
  } catch (error) {
    linux.close(fd);
    throw error;
  }
}

export function setOption(linux: Linux, fd: number, level: number, name: number, value: number): number {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value, true);
  return linux.setsockopt(fd, level, name, bytes, 4);
}

const ON = Uint8Array.of(1, 0, 0, 0);

export function setNoDelay(linux: Linux, fd: number): void {
  linux.setsockopt(fd, SOL.TCP, TCP_NODELAY, ON, 4);
}

function configure(
  linux: Linux,
  fd: number,
  address: SocketAddress,
  kind: 'udp' | 'tcp',
  shared: boolean,
  v6: boolean,
): void {
  if (v6) setOption(linux, fd, SOL.IPV6, IPV6_V6ONLY, 1);
  if (shared) check(linux, address, setOption(linux, fd, SOL.SOCKET, SO.REUSEPORT, 1), 'share the port of');
  if (kind === 'tcp') {
    setOption(linux, fd, SOL.SOCKET, SO.REUSEADDR, 1);
    return;
  }
  setBuffer(linux, fd, SO.RCVBUFFORCE, SO.RCVBUF);
  setBuffer(linux, fd, SO.SNDBUFFORCE, SO.SNDBUF);
  // Don't fragment, and believe no path MTU that anybody on the way claims (RFC 9715 §3.1). It also spares the
  // kernel the choice of an IP ID for each answer.
  setOption(linux, fd, v6 ? SOL.IPV6 : SOL.IP, v6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER, PMTUDISC_PROBE);
  if (!isWildcard(address)) return;
  const [level, option] = v6 ? [SOL.IPV6, IPV6_RECVPKTINFO] : [SOL.IP, IP_PKTINFO];
  check(linux, address, setOption(linux, fd, level, option, 1), 'learn destination addresses on');
}

/** With CAP_NET_ADMIN as large as we want; without, the kernel caps it at `net.core.[rw]mem_max`, which is no error. */
function setBuffer(linux: Linux, fd: number, forced: number, asked: number): void {
  if (setOption(linux, fd, SOL.SOCKET, forced, UDP_BUFFER_BYTES) === 0) return;
  setOption(linux, fd, SOL.SOCKET, asked, UDP_BUFFER_BYTES);
}

function check(linux: Linux, address: SocketAddress, result: number, doing: string): number {
  if (result >= 0) return result;
  const errno = linux.errno();
  const code = ERRNO[errno] ?? `errno ${errno}`;
  throw new ListenError(code, address, `cannot ${doing} ${address.host} port ${address.port}: ${code}`);
}

/** Of the socket's own end. */
export function localAddress(linux: Linux, fd: number): SocketAddress {
  const bytes = new Uint8Array(28);
  linux.getsockname(fd, bytes, Uint8Array.of(28, 0, 0, 0));
  return addressAt(bytes);
}

/** Reads a `sockaddr_in` or `sockaddr_in6` at the start of `bytes`. */
export function addressAt(bytes: Uint8Array): SocketAddress {
  const port = (bytes[2]! << 8) | bytes[3]!;
  if (bytes[0] === AF.INET) return { host: `${bytes[4]}.${bytes[5]}.${bytes[6]}.${bytes[7]}`, port };
  return { host: addressText(bytes.subarray(8, 24)), port };
}

function boundPort(linux: Linux, fd: number): number {
  const bytes = new Uint8Array(28);
  const length = Uint8Array.of(28, 0, 0, 0);
  linux.getsockname(fd, bytes, length);
  return (bytes[2]! << 8) | bytes[3]!;
}

function setPort(bytes: Uint8Array, port: number): void {
  bytes[2] = port >> 8;
  bytes[3] = port & 0xff;
}
