import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Flights, type Follower } from '../../../src/proxy/l7/flights.js';

const MODEL = { followersMax: 3, bytesMax: 200 };
const HEAD = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n';

/** Notes what it hears; may do something then. */
class TestFollower implements Follower {
  readonly heard: string[] = [];
  onHeard: () => void = () => {};

  onShared(bytes: Uint8Array, length: number, status: number): void {
    this.#note(`${status} ${Buffer.from(bytes.subarray(0, length)).toString().split('\r\n\r\n')[1]}`);
  }
  onSharedFailure(status: number, text: string, retryAfter?: number): void {
    this.#note(`${status} ${text} ${retryAfter}`);
  }
  onReleased(together: boolean): void {
    this.#note(together ? 'released together' : 'released');
  }
  #note(what: string): void {
    this.heard.push(what);
    this.onHeard();
  }
}

function rig(model = MODEL) {
  const flights = new Flights(model);
  const flight = flights.begin('key')!;
  const followers = Array.from({ length: 4 }, () => new TestFollower());
  const joined = followers.map((follower) => flight.join(follower));
  const take = (text: string): boolean => flight.take(Buffer.from(text), 0, text.length);
  const heard = () => followers.map((follower) => follower.heard.join(', '));
  return { flights, flight, followers, joined, take, heard };
}

describe('Flight', () => {
  it('gives the whole response to as many as may follow, once, and can be followed no more', () => {
    const { flights, flight, joined, take, heard } = rig();
    expect(joined).toEqual([true, true, true, false]);
    expect([take(`${HEAD}he`), take('llo')]).toEqual([true, true]);
    expect(heard()).toEqual(['', '', '', '']);
    expect(flights.find('key')).toBe(flight);
    flight.done();
    flight.failed(502, 'too late');
    flight.left();
    expect(heard()).toEqual(['200 hello', '200 hello', '200 hello', '']);
    expect(flights.find('key')).toBeNull();
    expect(flight.join(new TestFollower())).toBe(false);
  });

  it.each<[string, (flight: ReturnType<typeof rig>) => void, string]>([
    [
      'a response that is not for all',
      ({ take }) => take('HTTP/1.1 200 OK\r\nSet-Cookie: a\r\n\r\n'),
      'released',
    ],
    ['an interim response', ({ take }) => take('HTTP/1.1 103 Early Hints\r\n\r\n'), 'released'],
    ['what is no head', ({ take }) => take('nonsense'), 'released'],
    [
      'a length that is too large',
      ({ take }) => take('HTTP/1.1 200 OK\r\nContent-Length: 201\r\n\r\n'),
      'released',
    ],
    ['more than may be kept', ({ take }) => void (take(HEAD) && take('x'.repeat(200))), 'released'],
    ['an end without a head', ({ flight }) => flight.done(), 'released'],
    ['a failure', ({ flight }) => flight.failed(503, 'no room', 7), '503 no room 7'],
    ['one who leaves', ({ flight }) => flight.left(), 'released together'],
  ])('tells all of %s', (_, happen, expected) => {
    const world = rig();
    happen(world);
    expect(world.heard().slice(0, 3)).toEqual([expected, expected, expected]);
    expect(world.take('more')).toBe(false);
    expect(world.flights.find('key')).toBeNull();
  });

  it('says nothing to one that left, even while the others are told', () => {
    const { flight, followers, heard } = rig();
    flight.leave(followers[0]!);
    followers[1]!.onHeard = () => flight.leave(followers[2]!);
    flight.failed(502, 'x');
    expect(heard()).toEqual(['', '502 x undefined', '', '']);
  });

  it('leaves alone what began under the same key meanwhile', () => {
    const { flights, flight, followers } = rig();
    let next: object | null = null;
    followers[0]!.onHeard = () => {
      next = flights.begin('key');
    };
    flight.left();
    expect(next).not.toBeNull();
    expect(flights.find('key')).toBe(next);
  });

  it('takes no keys that are too long', () => {
    expect(new Flights(MODEL).begin('x'.repeat(9_000))).toBeNull();
  });

  it('gives exactly what passed, however it was cut', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 100 }), fc.array(fc.nat(100), { maxLength: 6 }), (text, cuts) => {
        const body = Buffer.from(text).toString('latin1').slice(0, 100);
        const { flight, heard } = rig();
        const all = Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`, 'latin1');
        const headEnd = all.indexOf('\r\n\r\n') + 4;
        const ends = [
          ...cuts.map((cut) => Math.min(headEnd + cut, all.length)).toSorted((a, b) => a - b),
          all.length,
        ];
        let start = 0;
        for (const end of ends) {
          expect(flight.take(all, start, Math.max(start, end))).toBe(true);
          start = Math.max(start, end);
        }
        flight.done();
        expect(heard()[0]).toBe(`200 ${Buffer.from(body, 'latin1').toString().split('\r\n\r\n')[0]}`);
      }),
    );
  });
});
