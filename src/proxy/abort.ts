import type { Socket } from 'node:net';

/**
 * Ends a connection with a reset, so that the peer can't take what it has for the whole. While an orderly end is
 * under way the system refuses the reset (EINVAL), and Node would then neither close the descriptor nor say
 * 'close': such a socket is destroyed without one.
 */
export function abort(socket: Socket): void {
  if (socket.destroyed) return;
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}
