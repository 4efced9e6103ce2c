import { afterEach, describe, expect, it } from 'vitest';
import { ask, closePeers, listenUdp } from '../../support/peers.js';

const hex = (text: string) => Buffer.from(text).toString('hex');

afterEach(closePeers);

describe('a udp probe', () => {
  it.each<[string, string | undefined, boolean, string]>([
    ['any reply', undefined, true, 'reply of 7 bytes'],
    ['the wanted bytes', hex('PONG'), true, 'reply of 7 bytes'],
    ['other bytes', hex('PANG'), false, 'reply of 7 bytes without those wanted'],
  ])('sends its bytes, and judges %s', async (_, expected, ok, detail) => {
    const heard: string[] = [];
    const { port } = await listenUdp((query) => {
      heard.push(query.toString());
      return [Buffer.from('>>PONG<')];
    });
    const result = await ask({
      type: 'udp',
      port,
      send: hex('PING'),
      ...(expected !== undefined && { expect: expected }),
    });
    expect(result).toMatchObject({ ok, detail });
    expect(heard).toEqual(['PING']);
  });

  it('is down when nothing comes back, and at once when the port is closed', async () => {
    const { port } = await listenUdp(() => []);
    const check = { type: 'udp', port, send: '00' } as const;
    expect(await ask({ ...check, timeoutMs: 50 })).toMatchObject({ detail: 'timeout after 50 ms' });
    closePeers();
    expect(await ask(check)).toMatchObject({ ok: false, detail: 'connect refused' });
  });

  it('does not hear others', async () => {
    const loud = await listenUdp(() => []);
    const { port } = await listenUdp((_, from) => {
      loud.socket.send('PONG', from, '127.0.0.1');
      return [];
    });
    expect(await ask({ type: 'udp', port, send: '00', timeoutMs: 60 })).toMatchObject({ ok: false });
  });

  it('ends at once when it is called off, even before its socket is there', async () => {
    const controller = new AbortController();
    const asked = ask({ type: 'udp', port: 9, send: '00' }, { signal: controller.signal });
    controller.abort();
    expect(await asked).toMatchObject({ ok: false, detail: 'called off' });
  });
});
