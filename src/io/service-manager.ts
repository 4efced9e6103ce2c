/**
 * The notification protocol of systemd (sd_notify(3)): datagrams to the Unix socket that `NOTIFY_SOCKET` names. Node
 * has no such sockets, so the C library is called; where FFI is missing nobody is told, and a unit of `Type=notify`
 * would wait in vain.
 */
import { AF, loadLinux, SOCK } from './batched/linux.js';

export interface ServiceManager {
  /** Milliseconds in which `watchdog` has to be called; null where nobody watches. */
  readonly watchdogMs: number | null;
  /** Tells it to the manager, e.g. `ready()` once all sockets are open. */
  ready(): void;
  reloading(): void;
  stopping(): void;
  watchdog(): void;
  /** One line for `systemctl status`. */
  status(text: string): void;
}

export interface ServiceManagerSetup {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
  /** Microseconds of CLOCK_MONOTONIC, for `reloading`. */
  readonly monotonicMicros: () => bigint;
}

/** sun_path of sockaddr_un. */
const PATH_BYTES_MAX = 108;

/** Null where the process was not started by a manager that listens; a string says why it can't be told. */
export function serviceManager(setup: ServiceManagerSetup): ServiceManager | string | null {
  const { NOTIFY_SOCKET: path } = setup.environment;
  if (path === undefined || path === '') return null;
  const address = unixAddress(path);
  if (address === null) return `NOTIFY_SOCKET is no path of a socket: ${path.slice(0, 200)}`;
  const linux = loadLinux();
  if ('unavailable' in linux) return linux.unavailable;
  const fd = linux.socket(AF.UNIX, SOCK.DGRAM | SOCK.CLOEXEC | SOCK.NONBLOCK, 0);
  if (fd < 0 || linux.connect(fd, address, address.length) < 0) {
    return `the socket of the service manager can not be reached (errno ${linux.errno()})`;
  }
  const memory = linux.allocate(MESSAGE_BYTES_MAX);
  const send = (message: string): void => {
    const { written } = new TextEncoder().encodeInto(message, new Uint8Array(memory.buffer));
    // A manager that does not read now has to do without: nothing here waits.
    linux.send(fd, memory.address, written, 0);
  };
  return {
    watchdogMs: watchdogMs(setup),
    ready: () => send('READY=1'),
    reloading: () => send(`RELOADING=1\nMONOTONIC_USEC=${setup.monotonicMicros()}`),
    stopping: () => send('STOPPING=1'),
    watchdog: () => send('WATCHDOG=1'),
    status: (text) => send(`STATUS=${text.replaceAll('\n', ' ')}`),
  };
}

const MESSAGE_BYTES_MAX = 1024;

/** `@` begins the name of an abstract socket. */
function unixAddress(path: string): Uint8Array | null {
  const bytes = new TextEncoder().encode(path);
  if (!/^[/@]/.test(path) || bytes.length > PATH_BYTES_MAX) return null;
  const address = new Uint8Array(2 + bytes.length + (path[0] === '@' ? 0 : 1));
  address[0] = AF.UNIX;
  address.set(bytes, 2);
  if (path[0] === '@') address[2] = 0;
  return address;
}

/** `WATCHDOG_PID` keeps children from answering for their parent. */
function watchdogMs({ environment, pid }: ServiceManagerSetup): number | null {
  const { WATCHDOG_USEC: micros, WATCHDOG_PID: watched } = environment;
  if (micros === undefined || !/^[1-9]\d{0,15}$/.test(micros)) return null;
  if (watched !== undefined && watched !== String(pid)) return null;
  return Number(micros) / 1000;
}
