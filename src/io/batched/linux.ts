import { createRequire } from 'node:module';
import { endianness } from 'node:os';

/**
 * The Linux system calls of the batched tier, by FFI. This is the only file that knows koffi. The
 * numbers of the Linux ABI are here (64-bit, little-endian: x86_64 and arm64 agree on all of them), but for those of BPF and AF_XDP.
 * Pointers are plain numbers; calls are synchronous and return -1 with `errno()` set.
 */
export interface Linux {
  socket(domain: number, type: number, protocol: number): number;
  setsockopt(fd: number, level: number, name: number, value: Uint8Array, length: number): number;
  getsockopt(fd: number, level: number, name: number, value: Uint8Array, length: Uint8Array): number;
  connect(fd: number, address: Uint8Array, length: number): number;
  bind(fd: number, address: Uint8Array, length: number): number;
  listen(fd: number, backlog: number): number;
  getsockname(fd: number, address: Uint8Array, length: Uint8Array): number;
  accept4(fd: number, address: number, length: number, flags: number): number;
  recv(fd: number, buffer: number, length: number, flags: number): number;
  send(fd: number, buffer: number, length: number, flags: number): number;
  shutdown(fd: number, how: number): number;
  close(fd: number): number;
  recvmmsg(fd: number, messages: number, count: number, flags: number, timeout: null): number;
  sendmmsg(fd: number, messages: number, count: number, flags: number): number;
  epollCreate(flags: number): number;
  epollCtl(epoll: number, operation: number, fd: number, event: Uint8Array): number;
  epollWait(epoll: number, events: number, count: number, timeoutMs: number): number;
  eventfd(initial: number, flags: number): number;
  pipe2(descriptors: Uint8Array, flags: number): number;
  fcntl(fd: number, command: number, argument: number): number;
  splice(from: number, fromOffset: null, to: number, toOffset: null, length: number, flags: number): number;
  read(fd: number, buffer: number, length: number): number;
  /** Readable and writable memory: a part of `fd`, shared, or fresh zeroed memory where `fd` is -1. Address, or -1. */
  mmap(fd: number, length: number, offset: number): number;
  munmap(address: number, length: number): number;
  usleep(microseconds: number): number;
  bpf(command: number, attributes: number, length: number): number;
  errno(): number;
  /** Zeroed memory that both sides see. It is never freed: tiers live as long as their thread. */
  allocate(bytes: number): NativeMemory;
  /** The memory at an address. Whoever unmaps it while somebody looks at it ends the process. */
  view(address: number, bytes: number): ArrayBuffer;
}

export interface NativeMemory {
  readonly address: number;
  readonly buffer: ArrayBuffer;
}

export const AF = { UNIX: 1, INET: 2, INET6: 10, XDP: 44 } as const;
export const SOCK = { STREAM: 1, DGRAM: 2, RAW: 3, NONBLOCK: 0o4000, CLOEXEC: 0o2000000 } as const;
export const SOL = { IP: 0, SOCKET: 1, TCP: 6, IPV6: 41, XDP: 283 } as const;
export const SO = {
  REUSEADDR: 2,
  ERROR: 4,
  LINGER: 13,
  SNDBUF: 7,
  RCVBUF: 8,
  REUSEPORT: 15,
  SNDBUFFORCE: 32,
  RCVBUFFORCE: 33,
  ATTACH_FILTER: 26,
} as const;
export const TCP_NODELAY = 1;
export const IP_PKTINFO = 8;
export const IP_MTU_DISCOVER = 10;
export const IPV6_MTU_DISCOVER = 23;
export const PMTUDISC_PROBE = 3;
export const IPV6_V6ONLY = 26;
export const IPV6_RECVPKTINFO = 49;
export const MSG = { PEEK: 2, DONTWAIT: 0x40, NOSIGNAL: 0x4000, MORE: 0x8000 } as const;
export const EPOLL = {
  IN: 1,
  OUT: 4,
  ERR: 8,
  HUP: 16,
  RDHUP: 0x2000,
  ET: 0x80000000,
  ADD: 1,
  DEL: 2,
  MOD: 3,
} as const;
export const ERRNO: Readonly<Record<number, string>> = {
  1: 'EPERM',
  2: 'ENOENT',
  4: 'EINTR',
  11: 'EAGAIN',
  12: 'ENOMEM',
  13: 'EACCES',
  16: 'EBUSY',
  19: 'ENODEV',
  22: 'EINVAL',
  24: 'EMFILE',
  32: 'EPIPE',
  38: 'ENOSYS',
  95: 'EOPNOTSUPP',
  97: 'EAFNOSUPPORT',
  98: 'EADDRINUSE',
  99: 'EADDRNOTAVAIL',
  101: 'ENETUNREACH',
  103: 'ECONNABORTED',
  104: 'ECONNRESET',
  105: 'ENOBUFS',
  110: 'ETIMEDOUT',
  111: 'ECONNREFUSED',
  113: 'EHOSTUNREACH',
};
/** Number of the system call bpf(2), which the C library has no function for. */
const BPF_CALL = process.arch === 'x64' ? 321 : 280;
const PROT_READ_WRITE = 3;
const MAP_SHARED_POPULATE = 0x8001;
const MAP_PRIVATE_ANONYMOUS_POPULATE = 0x8022;
export const EAGAIN = 11;
export const EINTR = 4;
export const EINPROGRESS = 115;
export const SHUT_WR = 1;
export const SPLICE = { MOVE: 1, NONBLOCK: 2 } as const;
export const F_SETPIPE_SZ = 1031;
export const F_DUPFD_CLOEXEC = 1030;

/** Loads the C library, or says why the batched tier can't be used on this machine. */
export function loadLinux(): Linux | { readonly unavailable: string } {
  if (process.platform !== 'linux') return { unavailable: `the platform is ${process.platform}, not Linux` };
  if (!['x64', 'arm64'].includes(process.arch) || endianness() !== 'LE') {
    return { unavailable: `the architecture ${process.arch} is not known` };
  }
  try {
    return bindCalls(createRequire(import.meta.url)('koffi') as typeof import('koffi'));
  } catch (error) {
    return { unavailable: `FFI is not available: ${error instanceof Error ? error.message : String(error)}` };
  }
}

function bindCalls(koffi: typeof import('koffi')): Linux {
  const libc = koffi.load('libc.so.6');
  const mmap = libc.func('intptr_t mmap(void*, size_t, int, int, int, int64_t)');
  const syscall = libc.func('long syscall(long, long, void*, long)');
  return {
    socket: libc.func('int socket(int, int, int)'),
    setsockopt: libc.func('int setsockopt(int, int, int, void*, uint)'),
    getsockopt: libc.func('int getsockopt(int, int, int, void*, void*)'),
    connect: libc.func('int connect(int, void*, uint)'),
    bind: libc.func('int bind(int, void*, uint)'),
    listen: libc.func('int listen(int, int)'),
    getsockname: libc.func('int getsockname(int, void*, void*)'),
    accept4: libc.func('int accept4(int, void*, void*, int)'),
    recv: libc.func('long recv(int, void*, size_t, int)'),
    send: libc.func('long send(int, void*, size_t, int)'),
    shutdown: libc.func('int shutdown(int, int)'),
    close: libc.func('int close(int)'),
    recvmmsg: libc.func('int recvmmsg(int, void*, uint, int, void*)'),
    sendmmsg: libc.func('int sendmmsg(int, void*, uint, int)'),
    epollCreate: libc.func('int epoll_create1(int)'),
    epollCtl: libc.func('int epoll_ctl(int, int, int, void*)'),
    epollWait: libc.func('int epoll_wait(int, void*, int, int)'),
    eventfd: libc.func('int eventfd(uint, int)'),
    pipe2: libc.func('int pipe2(void*, int)'),
    fcntl: libc.func('int fcntl(int, int, int)'),
    splice: libc.func('long splice(int, void*, int, void*, size_t, uint)'),
    read: libc.func('long read(int, void*, size_t)'),
    mmap: (fd, length, offset) => {
      const flags = fd < 0 ? MAP_PRIVATE_ANONYMOUS_POPULATE : MAP_SHARED_POPULATE;
      return Number(mmap(null, length, PROT_READ_WRITE, flags, fd, offset));
    },
    munmap: libc.func('int munmap(uintptr_t, size_t)'),
    usleep: libc.func('int usleep(uint)'),
    bpf: (command, attributes, length) => syscall(BPF_CALL, command, attributes, length),
    errno: () => koffi.errno(),
    allocate(bytes) {
      const pointer: unknown = koffi.alloc('uint8', bytes);
      const buffer = koffi.view(pointer, bytes);
      new Uint8Array(buffer).fill(0);
      return { address: Number(koffi.address(pointer)), buffer };
    },
    view: (address, bytes) => koffi.view(address, bytes),
  };
}
