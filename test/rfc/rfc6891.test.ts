import { describe, expect, it } from 'vitest';
import { type OptSpec, packet } from '../support/packet.js';
import { rigOf, zoneText } from '../support/query-rig.js';

const values = Array.from({ length: 40 }, (_, i) => `192.0.2.${i}`).join(', ');
const texts = Array.from({ length: 20 }, (_, i) => `"${`${i}`.padEnd(100, 'x')}"`).join(', ');
const rig = rigOf(
  zoneText(
    'example.com',
    `records:\n  www: { type: A, value: 192.0.2.1 }\n  many: { type: A, values: [${values}] }\n  huge: { type: TXT, values: [${texts}] }\n`,
  ),
);
const ask = (...opts: readonly OptSpec[]) => rig.send(packet({ name: 'www.example.com', opts }))!;

describe('RFC 6891: EDNS', () => {
  it('answers with OPT only who sent one (§6.1.1)', () => {
    expect(ask().edns).toBeUndefined();
    expect(ask({}).edns).toEqual({ version: 0, payloadSize: 1232, options: [] });
  });

  it('answers with OPT in errors and refusals too (§7)', () => {
    const refused = rig.send(packet({ name: 'example.org', opts: [{}] }))!;
    expect([refused.rcode, refused.edns?.version]).toEqual([5, 0]);
    const unknown = rig.send(packet({ name: 'none.example.com', opts: [{}] }))!;
    expect([unknown.rcode, unknown.edns?.version]).toEqual([3, 0]);
  });

  it('says FORMERR to two OPTs, and to one that is not owned by the root (§6.1.1)', () => {
    expect(ask({}, {}).rcode).toBe(1);
    expect(ask({}, {}).edns?.version).toBe(0);
    expect(ask({ owner: [1, 97, 0] }).rcode).toBe(1);
    expect(ask({ owner: [0xc0, 12] }).rcode).toBe(1);
  });

  it.each([1, 2, 255])('says BADVERS to version %i and offers 0, with no answer (§6.1.3)', (version) => {
    const message = ask({ version });
    expect([message.rcode, message.edns?.version, message.answers.length]).toEqual([16, 0, 0]);
    expect(message.authoritative).toBe(false);
  });

  it('judges the version before the options, whose form may be another', () => {
    expect(ask({ version: 1, options: [[8, [1]]] }).rcode).toBe(16);
  });

  it.each([0, 1, 511, 512])('takes a payload size of %i as 512 (§6.2.3)', (payload) => {
    const message = rig.send(packet({ name: 'many.example.com', opts: [{ payload }] }))!;
    expect(message.truncated).toBe(true);
    const small = rig.raw(packet({ name: 'www.example.com', opts: [{ payload }] }))!;
    expect(small.length).toBeLessThanOrEqual(512);
    expect(ask({ payload }).truncated).toBe(false);
  });

  it.each([512, 600, 1232])('keeps OPT in a truncated answer, within %i bytes (§7)', (payload) => {
    const bytes = packet({ name: 'huge.example.com', type: 16, opts: [{ payload, flags: 0x8000 }] });
    const message = rig.send(bytes)!;
    expect([message.truncated, message.answers, message.edns?.version]).toEqual([true, [], 0]);
    expect(rig.raw(bytes)!.length).toBeLessThanOrEqual(payload);
  });

  it('ignores options that it does not know and does not send them back (§6.1.2)', () => {
    const message = ask({
      options: [
        [65_001, [1, 2, 3]],
        [3, []],
        [12, Array(20).fill(0)],
      ],
    });
    expect([message.rcode, message.edns?.options]).toEqual([0, []]);
  });

  it('says FORMERR to options that do not fit their length', () => {
    const whole = packet({ name: 'www.example.com', opts: [{ options: [[65_001, [1, 2, 3]]] }] });
    for (const length of [4, 2, 0xff]) {
      const bad = whole.slice();
      bad[bad.length - 4] = length;
      expect(rig.send(bad)?.rcode).toBe(1);
    }
    const cut = packet({ name: 'www.example.com', opts: [{}], trailer: [0, 3, 0] });
    cut[cut.length - 4] = 3;
    expect(rig.send(cut)?.rcode).toBe(1);
  });

  it('copies DO and clears the other flags (§6.1.4)', () => {
    const flags = (asked: number) => {
      const reply = rig.raw(packet({ name: 'www.example.com', opts: [{ flags: asked }] }))!;
      return (reply.at(-4)! << 8) | reply.at(-3)!;
    };
    expect([flags(0), flags(0x8000), flags(0xffff), flags(0x4000)]).toEqual([0, 0x8000, 0x8000, 0]);
  });

  it('finds OPT behind other additional records, and ignores those', () => {
    const record = [0, 0, 16, 0, 1, 0, 0, 0, 0, 0, 1, 0];
    const message = rig.send(packet({ name: 'www.example.com', additionals: [record], opts: [{}] }))!;
    expect([message.rcode, message.edns?.payloadSize]).toEqual([0, 1232]);
  });
});
