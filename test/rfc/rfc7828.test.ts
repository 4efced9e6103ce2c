import { describe, expect, it } from 'vitest';
import { packet } from '../support/packet.js';
import { type Question, rigOf, zoneText } from '../support/query-rig.js';

const ZONE = zoneText('example.com', 'records:\n  www: { type: A, value: 192.0.2.1 }\n');
const KEEPALIVE = 11;
const [NOERROR, FORMERR] = [0, 1];
const rig = rigOf(ZONE, { keepalive: 300 });

/** RCODE of the answer, and what it holds of the option. */
function ask(
  question: Question,
  options: readonly (readonly [number, readonly number[]])[],
  from = rig,
  name = 'www.example.com',
): readonly [rcode: number, ...data: readonly number[][]] {
  const message = from.send(packet({ name, opts: [{ options }] }), question)!;
  const found = (message.edns?.options ?? []).filter(({ code }) => code === KEEPALIVE);
  return [message.rcode, ...found.map(({ data }) => [...data])];
}

const STREAMS: readonly (readonly [string, Question])[] = [
  ['TCP', { tcp: true }],
  ['TLS', { over: 'dot' }],
];

describe.each(STREAMS)('RFC 7828: keepalive option over %s', (_, how) => {
  it('tells the idle timeout in units of 100 ms to who asks (§3.1, §3.3.2)', () => {
    expect(ask(how, [[KEEPALIVE, []]])).toEqual([NOERROR, [0x01, 0x2c]]);
  });

  it('is not given to who does not ask', () => {
    expect(ask(how, [])).toEqual([NOERROR]);
    expect(rig.send(packet({ name: 'www.example.com' }), how)!.edns).toBeUndefined();
  });

  it('is given once, however often it was asked for', () => {
    expect(
      ask(how, [
        [KEEPALIVE, []],
        [KEEPALIVE, []],
      ]),
    ).toEqual([NOERROR, [0x01, 0x2c]]);
  });

  it('tells its own timeout, not the one that a client sends (§3.2.1)', () => {
    expect(ask(how, [[KEEPALIVE, [0xff, 0xff]]])).toEqual([NOERROR, [0x01, 0x2c]]);
  });

  it.each([1, 3, 4, 8])('is malformed with %i bytes (§3.1)', (length) => {
    expect(ask(how, [[KEEPALIVE, Array<number>(length).fill(0)]])).toEqual([FORMERR]);
  });

  it('is given with errors too', () => {
    expect(ask(how, [[KEEPALIVE, []]], rig, 'none.example.com')[1]).toEqual([0x01, 0x2c]);
    expect(ask(how, [[KEEPALIVE, []]], rig, 'www.example.org')[1]).toEqual([0x01, 0x2c]);
  });

  it.each([
    [0, [0, 0]],
    [1, [0, 1]],
    [65_535, [0xff, 0xff]],
  ])('gives %i as it is: 0 asks the client to close (§3.3.2)', (keepalive, data) => {
    expect(ask(how, [[KEEPALIVE, []]], rigOf(ZONE, { keepalive }))).toEqual([NOERROR, data]);
  });
});

describe('RFC 7828: keepalive option elsewhere', () => {
  it.each([0, 1, 2, 3])('is ignored over UDP, with %i bytes (§3.2.1, §3.3.2)', (length) => {
    expect(ask({}, [[KEEPALIVE, Array<number>(length).fill(0)]])).toEqual([NOERROR]);
  });

  it('is not given over UDP after a query on a stream asked for it', () => {
    ask({ tcp: true }, [[KEEPALIVE, []]]);
    ask({ over: 'dot' }, [[KEEPALIVE, []]]);
    expect(ask({}, [[KEEPALIVE, []]])).toEqual([NOERROR]);
  });

  it('is ignored over HTTPS, which keeps its connections in its own way', () => {
    expect(ask({ over: 'doh' }, [[KEEPALIVE, []]])).toEqual([NOERROR]);
    expect(ask({ over: 'doh' }, [[KEEPALIVE, [1]]])).toEqual([NOERROR]);
  });
});
