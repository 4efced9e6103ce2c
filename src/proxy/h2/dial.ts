import { connect, type Socket } from 'node:net';
import type { Address } from '../../core/balance/model.js';
import type { PortableClientTls } from '../../io/portable/tls.js';

export interface DialHandlers {
  /** TCP and TLS are up. The socket's events are the caller's from here on. */
  readonly onOpen: (socket: Socket) => void;
  readonly onFail: (message: string) => void;
}

/** Opens a connection to an endpoint; one of the two handlers is called, once. `alpn`: what TLS has to agree on. */
export function dial(
  address: Address,
  tls: PortableClientTls | null,
  alpn: 'h2' | null,
  handlers: DialHandlers,
): Socket {
  const secure = tls?.connect(address) ?? null;
  const socket = secure?.socket ?? connect({ ...address, noDelay: true, allowHalfOpen: true });
  const opening = secure === null ? 'connect' : 'secureConnect';
  const settle = (tell: () => void): void => {
    socket.off('close', closed);
    socket.off(opening, opened);
    socket.off('error', failed);
    // A late error must not end the process.
    socket.on('error', () => {});
    tell();
  };
  const failed = (error: Error): void => settle(() => handlers.onFail(error.message));
  const closed = (): void => settle(() => handlers.onFail('the connection was closed'));
  const opened = (): void =>
    settle(() => {
      // Who does not know ALPN speaks HTTP/1.1.
      if (secure === null || alpn === null || secure.socket.alpnProtocol === alpn) {
        handlers.onOpen(socket);
        return;
      }
      socket.destroy();
      handlers.onFail('the endpoint does not speak HTTP/2 (ALPN)');
    });
  socket.on(opening, opened);
  socket.on('error', failed);
  socket.on('close', closed);
  secure?.raw.on('error', () => {});
  return socket;
}
