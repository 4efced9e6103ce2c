import { describe, expect, it } from 'vitest';
import { type BusEvent, EVENTS_KEPT_MAX, EventBus } from '../../../src/control/event-bus.js';

function busAt(startMs: number) {
  return new EventBus(() => startMs);
}

const event = (n: number) => ({ type: 'revision.created', data: { n } }) as const;

describe('EventBus', () => {
  it('numbers events, tells listeners until they end, and says when', () => {
    const bus = busAt(1000);
    const heard: BusEvent[] = [];
    const end = bus.listen((one) => heard.push(one));
    expect(bus.publish(event(1))).toBe(1001);
    end();
    bus.publish(event(2));
    expect(heard).toEqual([
      { id: 1001, type: 'revision.created', at: '1970-01-01T00:00:01.000Z', data: { n: 1 } },
    ]);
    expect(bus.lastId).toBe(1002);
  });

  it('drops a listener that throws, and tells the others', () => {
    const bus = busAt(0);
    let calls = 0;
    bus.listen(() => {
      calls++;
      throw new Error('a bug of the listener');
    });
    const heard: number[] = [];
    bus.listen(({ id }) => heard.push(id));
    bus.publish(event(1));
    bus.publish(event(2));
    expect([calls, heard]).toEqual([1, [1, 2]]);
  });

  it('gives what was missed, and says where some of it is lost', () => {
    const bus = busAt(0);
    expect(bus.since(0)).toEqual({ events: [], complete: true });
    for (let n = 1; n <= EVENTS_KEPT_MAX + 5; n++) bus.publish(event(n));
    expect(bus.since(EVENTS_KEPT_MAX + 3).events.map(({ id }) => id)).toEqual([
      EVENTS_KEPT_MAX + 4,
      EVENTS_KEPT_MAX + 5,
    ]);
    expect(bus.since(5)).toMatchObject({ complete: true });
    expect(bus.since(5).events).toHaveLength(EVENTS_KEPT_MAX);
    expect(bus.since(4)).toMatchObject({ complete: false });
    // A number of another start.
    expect(bus.since(999_999)).toEqual({ events: [], complete: false });
  });
});
