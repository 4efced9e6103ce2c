import type { Socket } from 'node:net';
import { PREFACE_MAX, PREFACES_MAX, type Preface } from '../network.js';

/** Accepted sockets until their preface is read. What came behind it goes back into the socket, where TLS finds it. */
export class PrefaceWaits {
  readonly #sockets = new Set<Socket>();

  add(socket: Socket, preface: Preface, begin: (socket: Socket) => void): void {
    socket.on('error', ignore);
    if (this.#sockets.size >= PREFACES_MAX) {
      preface.late();
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    let head = Buffer.alloc(0);
    const timer = setTimeout(() => {
      preface.late();
      socket.destroy();
    }, preface.timeoutMs);
    const stop = (): void => {
      clearTimeout(timer);
      this.#sockets.delete(socket);
      socket.off('data', onData).off('end', onEnd).off('close', stop);
    };
    const onEnd = (): void => void socket.destroy();
    const onData = (chunk: Buffer): void => {
      head = Buffer.concat([head, chunk]);
      const size = preface.read(new Uint8Array(head), 0, head.length);
      if (size === 0 && head.length <= PREFACE_MAX) return;
      stop();
      if (size <= 0) {
        socket.destroy();
        return;
      }
      socket.pause();
      if (size < head.length) socket.unshift(head.subarray(size));
      begin(socket);
      socket.off('error', ignore);
    };
    socket.on('data', onData).on('end', onEnd).on('close', stop);
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

function ignore(): void {}
