import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { type HeadSocket, HttpHeads } from '../../../src/dataplane/http-heads.js';

class FakeSocket extends EventEmitter implements HeadSocket {
  readonly alpnProtocol: string | false;
  bytesRead = 700;

  constructor(alpnProtocol: string | false) {
    super();
    this.alpnProtocol = alpnProtocol;
  }
}

function rig(alpn: string | false = false) {
  const slow: unknown[] = [];
  const heads = new HttpHeads({ tooSlow: (ends) => void slow.push(ends) });
  const socket = new FakeSocket(alpn);
  heads.opened(socket);
  return { heads, socket, slow };
}

describe('HttpHeads', () => {
  it.each<string | false>([false, 'http/1.1'])(
    'closes a connection (ALPN %s) whose head is not whole in five seconds',
    (alpn) => {
      const { heads, socket, slow } = rig(alpn);
      heads.tick(1000);
      for (let nowMs = 2000; nowMs < 7000; nowMs += 1000) {
        socket.bytesRead++;
        heads.tick(nowMs);
      }
      expect(slow).toEqual([]);
      heads.tick(7000);
      heads.tick(8000);
      expect(slow).toEqual([socket]);
    },
  );

  it('lets a connection be silent before its first byte', () => {
    const { heads, slow } = rig();
    for (let nowMs = 0; nowMs < 60_000; nowMs += 1000) heads.tick(nowMs);
    expect(slow).toEqual([]);
  });

  it('gives each head its own time, and none to what a response takes', () => {
    const { heads, socket, slow } = rig();
    let nowMs = 0;
    const pass = (ms: number) => {
      nowMs += ms;
      heads.tick(nowMs);
    };
    for (let i = 0; i < 5; i++) {
      socket.bytesRead += 100;
      pass(4000);
      const response = new EventEmitter();
      heads.requested(socket, response);
      socket.bytesRead += 1000;
      pass(20_000);
      response.emit('close');
      pass(20_000);
    }
    expect(slow).toEqual([]);
    socket.bytesRead++;
    heads.tick(nowMs);
    heads.tick(nowMs + 5000);
    expect(slow).toEqual([socket]);
  });

  it('does not look at HTTP/2, and forgets connections that are closed', () => {
    expect(rig('h2').heads.size).toBe(0);
    const { heads, socket } = rig();
    expect(heads.size).toBe(1);
    socket.emit('close');
    expect(heads.size).toBe(0);
  });
});
