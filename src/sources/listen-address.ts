/** Addresses to listen on, as configuration files write them: `127.0.0.1:5300`, `[::1]:5300`. */
import { isIP } from 'node:net';

/** `host` is an IP address without brackets; port 0 lets the system choose. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** For messages: what `parseListen` takes. */
export const LISTEN_TITLE = 'an IP address and a port such as 127.0.0.1:5300 or "[::1]:5300"';

/** Undefined for anything else: a name, an address without a port, a port over 65535. */
export function parseListen(text: string): ListenAddress | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]{2,45})\]|([0-9.]{7,15})):(\d{1,5})$/.exec(text);
  if (!match) return undefined;
  const [, v6, v4, digits] = match;
  const host = v6 ?? v4 ?? '';
  const port = Number(digits);
  return isIP(host) === (v6 === undefined ? 4 : 6) && port <= 65_535 ? { host, port } : undefined;
}

export function formatListen({ host, port }: ListenAddress): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Whether only this machine can reach it (RFC 1122 §3.2.1.3, RFC 4291 §2.5.3). */
export function isLoopback({ host }: ListenAddress): boolean {
  return isIP(host) === 4 ? host.startsWith('127.') : /^(?:0{0,4}:){2,7}0{0,3}1$/.test(host);
}
