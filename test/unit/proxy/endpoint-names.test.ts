import { describe, expect, it } from 'vitest';
import { EndpointNames, type NameAddresses } from '../../../src/proxy/endpoint-names.js';

/** Names whose look-ups the test answers, and time that it moves. */
function rig() {
  const answers = new Map<string, readonly string[] | Error>();
  const found: NameAddresses[] = [];
  const failures: string[] = [];
  const timers = new Map<number, { callback: () => void; delayMs: number }>();
  let nextTimer = 0;
  const names = new EndpointNames({
    lookup: async (host) => {
      const answer = answers.get(host) ?? new Error('ENOTFOUND');
      if (answer instanceof Error) throw answer;
      return answer;
    },
    timers: {
      set: (callback, delayMs) => {
        timers.set(nextTimer, { callback, delayMs });
        return nextTimer++;
      },
      clear: (timer) => void timers.delete(timer as number),
    },
    random: () => 0.5,
    onAddresses: (one) => found.push(one),
    onFailure: (host, message) => failures.push(`${host}: ${message}`),
  });
  /** Runs what is due, and returns the delays that were waited for. */
  const elapse = async (): Promise<number[]> => {
    const due = [...timers.values()];
    timers.clear();
    for (const { callback } of due) callback();
    await new Promise((resolve) => setImmediate(resolve));
    return due.map(({ delayMs }) => delayMs);
  };
  return { answers, found, failures, timers, names, elapse };
}

describe('EndpointNames', () => {
  it('looks a name up at once, and tells of it again only when the set of addresses changes', async () => {
    const { answers, found, names, elapse } = rig();
    answers.set('app.test', ['192.0.2.1', '192.0.2.2']);
    await names.follow(new Set(['app.test']));
    expect(found).toEqual([{ host: 'app.test', addresses: ['192.0.2.1', '192.0.2.2'] }]);
    answers.set('app.test', ['192.0.2.2', '192.0.2.1']);
    expect(await elapse()).toEqual([10_000]);
    expect(found).toHaveLength(1);
    answers.set('app.test', ['192.0.2.3']);
    await elapse();
    expect(found[1]).toEqual({ host: 'app.test', addresses: ['192.0.2.3'] });
  });

  it('takes the families by turns, the first one first', async () => {
    const { answers, found, names } = rig();
    answers.set('app.test', ['2001:db8::1', '2001:db8::2', '2001:db8::3', '192.0.2.1']);
    await names.follow(new Set(['app.test']));
    expect(found[0]!.addresses).toEqual(['2001:db8::1', '192.0.2.1', '2001:db8::2', '2001:db8::3']);
  });

  it('keeps what was found when a look-up fails, says so, and tries an unknown name sooner', async () => {
    const { answers, found, failures, names, elapse } = rig();
    await names.follow(new Set(['app.test']));
    expect(failures).toEqual(['app.test: ENOTFOUND']);
    answers.set('app.test', ['192.0.2.1']);
    expect(await elapse()).toEqual([1_000]);
    answers.set('app.test', new Error('ESERVFAIL'));
    await elapse();
    expect(failures).toEqual(['app.test: ENOTFOUND', 'app.test: ESERVFAIL']);
    expect(found).toHaveLength(1);
  });

  it('forgets names that are followed no longer', async () => {
    const { answers, found, names, timers } = rig();
    answers.set('a.test', ['192.0.2.1']).set('b.test', ['192.0.2.2']);
    await names.follow(new Set(['a.test']));
    await names.follow(new Set(['b.test']));
    expect(timers.size).toBe(1);
    names.close();
    expect(timers.size).toBe(0);
    expect(found.map(({ host }) => host)).toEqual(['a.test', 'b.test']);
  });
});
