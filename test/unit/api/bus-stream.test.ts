import { afterEach, describe, expect, it } from 'vitest';
import { BusStream, READERS_MAX, typesOf } from '../../../src/api/bus-stream.js';
import type { Api } from '../../../src/api/server.js';
import { EVENTS_KEPT_MAX, EventBus, type EventType } from '../../../src/control/event-bus.js';
import { apiOn, type ControlRig, controlRig } from '../../support/control-rig.js';
import { TestSink } from '../../support/event-sink.js';

const ALL = typesOf(undefined) as ReadonlySet<EventType>;

describe('BusStream', () => {
  const rigged = () => {
    const bus = new EventBus(() => 0);
    return { bus, stream: new BusStream(bus) };
  };

  it('sends each reader the types that it wants', () => {
    const { bus, stream } = rigged();
    const [all, some] = [new TestSink(), new TestSink()];
    stream.add(all, ALL);
    stream.add(some, new Set<EventType>(['zones.loaded']));
    bus.publish({ type: 'zones.loaded', data: { a: '\n' } });
    bus.publish({ type: 'zones.refused', data: {} });
    expect(all.events).toEqual(['zones.loaded', 'zones.refused']);
    expect(some.text).toBe(
      'retry: 2000\n\nid: 1\nevent: zones.loaded\ndata: {"type":"zones.loaded","at":"1970-01-01T00:00:00.000Z","data":{"a":"\\n"}}\n\n',
    );
  });

  it('gives what was missed, and says where not all of it is kept', () => {
    const { bus, stream } = rigged();
    for (let i = 0; i < EVENTS_KEPT_MAX + 3; i++) bus.publish({ type: 'revision.created', data: {} });
    const [near, far, other] = [new TestSink(), new TestSink(), new TestSink()];
    stream.add(near, ALL, EVENTS_KEPT_MAX + 1);
    stream.add(far, ALL, 1);
    stream.add(other, new Set<EventType>(['zones.loaded']), EVENTS_KEPT_MAX);
    expect(near.events).toHaveLength(2);
    expect(far.events[0]).toBe('missed');
    expect(far.events).toHaveLength(1 + EVENTS_KEPT_MAX);
    expect(other.events).toEqual([]);
  });

  it('cuts off who does not read, takes so many and no more, and ends all', () => {
    const { bus, stream } = rigged();
    const slow = new TestSink();
    stream.add(slow, ALL);
    slow.writableLength = 256 * 1024 + 1;
    bus.publish({ type: 'zones.loaded', data: {} });
    expect(slow.ended).toBe(true);
    const sinks = Array.from({ length: READERS_MAX }, () => new TestSink());
    const ends = sinks.map((sink) => stream.add(sink, ALL));
    expect(ends.every((end) => end !== undefined)).toBe(true);
    expect(stream.add(new TestSink(), ALL)).toBeUndefined();
    ends[0]?.();
    expect(stream.isFull).toBe(false);
    stream.close();
    expect(sinks.slice(1).every(({ ended }) => ended)).toBe(true);
  });
});

describe('typesOf()', () => {
  it('takes types, groups, and commas with spaces', () => {
    expect(typesOf('zones, health.transition')).toEqual(
      new Set(['zones.loaded', 'zones.refused', 'health.transition']),
    );
  });

  it.each(['', ',', 'zone', 'zones.', 'zones.load', 'toString', '__proto__'])('refuses %j', (text) => {
    expect(typesOf(text)).toHaveProperty('mistake');
  });
});

describe('GET /v1/events', () => {
  let rig: ControlRig;
  let api: Api;
  afterEach(async () => {
    await api.close();
    rig.close();
  });

  it('tells what happens, to who comes back what it missed, and ends with the server', async () => {
    rig = controlRig();
    api = await apiOn(rig);
    const address = await api.listen({ host: '127.0.0.1', port: 0 });
    const open = async (headers: Record<string, string> = {}) => {
      const response = await fetch(`${address}/v1/events?types=zones,tokens`, {
        headers: { authorization: 'Bearer read', ...headers },
      });
      expect(response.headers.get('content-type')).toBe('text/event-stream');
      expect(response.headers.get('x-request-id')).toBeTruthy();
      return response.body!.pipeThrough(new TextDecoderStream()).getReader();
    };
    const readUntil = async (
      reader: { read(): Promise<{ value?: string | undefined }> },
      pattern: RegExp,
    ) => {
      let text = '';
      while (!pattern.test(text)) text += (await reader.read()).value ?? '(end)';
      return text;
    };
    // A HEAD of a stream would never end.
    for (const url of ['/v1/events', '/v1/health/events']) {
      expect(
        (await api.inject({ method: 'HEAD', url, headers: { authorization: 'Bearer read' } })).statusCode,
      ).toBe(404);
    }
    const first = await open();
    await rig.load({ 'bad.yaml': 'zone: [' });
    const text = await readUntil(first, /event: zones\.refused[\s\S]*\n\n/);
    expect(text).toContain('bad.yaml:1');
    const id = /^id: (\d+)$/m.exec(text)![1]!;
    await first.cancel();
    await api.inject({
      method: 'POST',
      url: '/v1/tokens',
      headers: { authorization: 'Bearer admin' },
      payload: { name: 'ci', role: 'read' },
    });
    const second = await open({ 'last-event-id': id });
    const missed = await readUntil(second, /event: tokens\.created[\s\S]*\n\n/);
    expect(missed).not.toContain('zones.refused');
    expect(missed).toContain('"name":"ci"');
    const end = second.closed;
    await api.close();
    await end;
  });
});
