import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WaitQueue } from '../../../src/proxy/wait-queue.js';

function all(queue: WaitQueue<object>): object[] {
  const found: object[] = [];
  for (let place = queue.first; place >= 0; place = queue.after(place)) found.push(queue.at(place)!);
  return found;
}

describe('WaitQueue', () => {
  it('refuses whoever is too many', () => {
    const queue = new WaitQueue<object>({ size: 2, timeoutMs: 100 });
    expect([queue.add({}, 0), queue.add({}, 0), queue.add({}, 0)]).toEqual([0, 1, -1]);
  });

  it('gives up those who waited too long, the oldest first', () => {
    const queue = new WaitQueue<object>({ size: 4, timeoutMs: 100 });
    const [a, b] = [{ name: 'a' }, { name: 'b' }];
    queue.add(a, 0);
    queue.add(b, 50);
    expect(queue.takeExpired(99)).toBeNull();
    expect(queue.takeExpired(149)).toBe(a);
    expect(queue.takeExpired(149)).toBeNull();
    expect(queue.takeExpired(150)).toBe(b);
    expect(queue.length).toBe(0);
  });

  it('does not remove another waiter that got the same place', () => {
    const queue = new WaitQueue<object>({ size: 1, timeoutMs: 100 });
    const [a, b] = [{ name: 'a' }, { name: 'b' }];
    const ticket = queue.add(a, 0);
    expect(queue.remove(ticket, a)).toBe(true);
    queue.add(b, 0);
    expect(queue.remove(ticket, a)).toBe(false);
    expect(all(queue)).toEqual([b]);
  });

  it('behaves as a list does', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('add' as const) }),
      fc.record({ kind: fc.constant('remove' as const), at: fc.nat(5) }),
      fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(60) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const queue = new WaitQueue<object>({ size: 4, timeoutMs: 100 });
        let model: { waiter: object; ticket: number; untilMs: number }[] = [];
        let nowMs = 0;
        for (const one of steps) {
          if (one.kind === 'add') {
            const waiter = { id: nowMs };
            const ticket = queue.add(waiter, nowMs);
            expect(ticket >= 0).toBe(model.length < 4);
            if (ticket >= 0) model.push({ waiter, ticket, untilMs: nowMs + 100 });
          } else if (one.kind === 'remove') {
            const [gone] = model.splice(one.at, 1);
            if (gone !== undefined) expect(queue.remove(gone.ticket, gone.waiter)).toBe(true);
          } else {
            nowMs += one.ms;
            while (queue.takeExpired(nowMs) !== null);
            model = model.filter(({ untilMs }) => untilMs > nowMs);
          }
          expect(all(queue)).toEqual(model.map(({ waiter }) => waiter));
          expect(queue.length).toBe(model.length);
        }
      }),
    );
  });
});
