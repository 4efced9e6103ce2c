import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Registered } from '../../../src/control/acme-book.js';
import { type AcmeEntry, mergeEntries, newestValues } from '../../../src/control/acme-entry.js';
import { type AcmeRig, acmeRig, txtOf } from '../../support/acme-rig.js';

const [A, B, C] = [txtOf('A'), txtOf('b'), txtOf('-')];
const NAME = '_acme-challenge.www.gslb.test.';

async function register(rig: AcmeRig, name = NAME): Promise<Extract<Registered, { account: AcmeEntry }>> {
  const made = await rig.book.register({ nameOf: () => name, allowFrom: [], note: '' });
  if ('code' in made) throw new Error(made.code);
  return made;
}

/** Another book on the same disk. */
function restarted(rig: AcmeRig): AcmeRig {
  const again = acmeRig({ first: 100 });
  again.nowMs = rig.nowMs;
  expect(again.book.load(rig.saved!)).toBe(true);
  return again;
}

describe('an account', () => {
  it('has a password of 40 characters that only its digest is kept of', async () => {
    const rig = acmeRig();
    const { account, password } = await register(rig);
    expect(password).toMatch(/^[A-Za-z0-9_-]{40}$/);
    expect(rig.saved).not.toContain(password);
    expect(rig.book.authenticate(account.username, password)).toEqual(account);
    expect(rig.book.authenticate(account.username, `x${password.slice(1)}`)).toBeUndefined();
    expect(rig.book.authenticate(account.username, '')).toBeUndefined();
    expect(rig.book.authenticate('nobody', password)).toBeUndefined();
  });

  it('is refused for a name that has one, and beyond their number', async () => {
    const rig = acmeRig({ accountsMax: 2 });
    const ask = (name: string) => rig.book.register({ nameOf: () => name, allowFrom: [], note: '' });
    await register(rig);
    expect(await ask(NAME)).toEqual({ code: 'taken' });
    await register(rig, 'other.gslb.test.');
    expect(await ask('third.gslb.test.')).toEqual({ code: 'full' });
    expect(rig.book.counts.registrations).toMatchObject({ done: 2, taken: 1, full: 1 });
  });

  it('is not made where the disk does not take it', async () => {
    const rig = acmeRig();
    rig.isFull = true;
    expect(await rig.book.register({ nameOf: () => NAME, allowFrom: [], note: '' })).toEqual({
      code: 'not_saved',
    });
    expect([rig.answered(NAME), rig.book.list()]).toEqual([undefined, []]);
    expect(rig.logged.join()).toContain('ENOSPC');
    rig.isFull = false;
    await register(rig);
    expect(rig.answered(NAME)).toEqual([]);
  });

  it('ends with its values, and stays ended after a restart', async () => {
    const rig = acmeRig();
    const { account, password } = await register(rig);
    await rig.book.update(account, A);
    expect(await rig.book.remove(account.username)).toBe('done');
    expect(await rig.book.remove(account.username)).toBe('absent');
    for (const one of [rig, restarted(rig)]) {
      expect(one.answered(NAME)).toBeUndefined();
      expect(one.book.authenticate(account.username, password)).toBeUndefined();
    }
    // The name is free again.
    await register(rig);
  });

  it('goes on where the disk does not take its end', async () => {
    const rig = acmeRig();
    const { account, password } = await register(rig);
    await rig.book.update(account, A);
    rig.isFull = true;
    expect(await rig.book.remove(account.username)).toBe('not_saved');
    expect(rig.answered(NAME)).toEqual([A]);
    expect(rig.book.authenticate(account.username, password)).toBeDefined();
  });
});

describe('values', () => {
  it('are the two newest, each once', async () => {
    const rig = acmeRig();
    const { account } = await register(rig);
    for (const [txt, expected] of [
      [A, [A]],
      [B, [B, A]],
      [B, [B, A]],
      [A, [A, B]],
      [C, [C, A]],
    ] as const) {
      expect(await rig.book.update(account, txt)).toBe('done');
      expect(rig.answered(NAME)).toEqual(expected);
    }
  });

  it('expire by themselves, and survive a restart until then', async () => {
    const rig = acmeRig({ lifetimeMs: 60_000 });
    const { account } = await register(rig);
    await rig.book.update(account, A);
    rig.nowMs += 30_000;
    await rig.book.update(account, B);
    expect(restarted(rig).answered(NAME)).toEqual([B, A]);
    rig.nowMs += 30_000;
    expect([rig.answered(NAME), restarted(rig).answered(NAME)]).toEqual([[B], [B]]);
    rig.nowMs += 30_000;
    expect([rig.answered(NAME), rig.book.counts.values]).toEqual([[], 0]);
  });

  it('are answered only when the disk has them', async () => {
    const rig = acmeRig();
    const { account } = await register(rig);
    await rig.book.update(account, A);
    const before = rig.saved;
    rig.isFull = true;
    expect(await rig.book.update(account, B)).toBe('not_saved');
    expect([rig.answered(NAME), rig.saved]).toEqual([[A], before]);
    rig.isFull = false;
    const writing = rig.book.update(account, C);
    expect(rig.answered(NAME)).toEqual([A]);
    await writing;
    expect(rig.answered(NAME)).toEqual([C, A]);
  });

  it('are limited: a burst, and then one every two seconds', async () => {
    const rig = acmeRig();
    const { account } = await register(rig);
    const outcomes: string[] = [];
    for (let i = 0; i < 31; i++) outcomes.push(await rig.book.update(account, A));
    expect(outcomes.slice(-2)).toEqual(['done', 'limited']);
    rig.nowMs += 2_000;
    expect([await rig.book.update(account, B), await rig.book.update(account, B)]).toEqual([
      'done',
      'limited',
    ]);
  });

  it('of many at once are stored by few writes', async () => {
    let writes = 0;
    const rig = acmeRig();
    const { account } = await register(rig);
    const other = await register(rig, 'other.gslb.test.');
    Object.defineProperty(rig, 'saved', { set: () => writes++ });
    const updates = Array.from({ length: 20 }, (_, i) => rig.book.update(i % 2 ? account : other.account, A));
    expect(new Set(await Promise.all(updates))).toEqual(new Set(['done']));
    expect(writes).toBeLessThanOrEqual(2);
  });
});

describe('load()', () => {
  it('keeps accounts for which there is no room any more', async () => {
    const rig = acmeRig({ accountsMax: 100 });
    for (let i = 0; i < 60; i++) await register(rig, `n${i}.gslb.test.`);
    const small = acmeRig({ accountsMax: 1, first: 1000 });
    expect(small.book.load(rig.saved!)).toBe(true);
    expect(small.logged.join()).toContain('too many ACME accounts');
    expect(small.answered('n0.gslb.test')).toEqual([]);
    await small.book.update(small.book.list()[0]!, A);
    expect(JSON.parse(small.saved!).accounts).toHaveLength(60);
  });

  it.each(['', '{', '[]', '{"version":2,"accounts":[]}', '{"version":1,"accounts":[{}]}'])(
    'refuses %s',
    (text) => {
      const { book } = acmeRig();
      expect(book.load(text)).toBe(false);
      expect(book.list()).toEqual([]);
    },
  );
});

describe('two nodes', () => {
  const pass = async (from: AcmeRig, to: AcmeRig, after = 0) => {
    const { entries, last } = from.book.changesAfter(after, 100);
    expect(await to.book.merge(JSON.parse(JSON.stringify(entries)))).toBe(true);
    return last;
  };

  it('know the same after each told the other', async () => {
    const [a, b] = [acmeRig(), acmeRig({ first: 50 })];
    const { account, password } = await register(a);
    let told = await pass(a, b);
    const there = b.book.authenticate(account.username, password)!;
    await a.book.update(account, A);
    b.nowMs += 5;
    await b.book.update(there, B);
    told = await pass(a, b, told);
    await pass(b, a);
    expect([a.answered(NAME), b.answered(NAME)]).toEqual([
      [B, A],
      [B, A],
    ]);
    await a.book.remove(account.username);
    await pass(a, b, told);
    // What B has told before does not bring it back.
    await pass(b, a);
    expect([a.answered(NAME), b.answered(NAME), b.book.list()]).toEqual([undefined, undefined, []]);
    expect(restarted(b).book.list()).toEqual([]);
  });

  it('are not told again what they were told', async () => {
    const [a, b] = [acmeRig(), acmeRig()];
    await register(a);
    const told = await pass(a, b);
    expect(b.book.changesAfter(0, 100).entries).toEqual([]);
    expect(a.book.changesAfter(told, 100).entries).toEqual([]);
    const before = b.saved;
    b.saved = undefined;
    await pass(a, b);
    expect([before !== undefined, b.saved]).toEqual([true, undefined]);
  });

  it('keep the older of two accounts that they gave one name', async () => {
    const [a, b] = [acmeRig(), acmeRig({ first: 50 })];
    const older = await register(a);
    b.nowMs += 1;
    const newer = await register(b);
    await pass(a, b);
    await pass(b, a);
    for (const rig of [a, b]) {
      expect(rig.book.list().map(({ username }) => username)).toEqual([older.account.username]);
      expect(rig.book.authenticate(newer.account.username, newer.password)).toBeUndefined();
    }
  });

  it('do not believe values from the future, nor such that last longer than a day', async () => {
    const [a, b] = [acmeRig({ lifetimeMs: 10 * 86_400_000 }), acmeRig()];
    const { account } = await register(a);
    a.nowMs += 3_600_000;
    await a.book.update(account, A);
    await pass(a, b);
    await b.book.update(b.book.get(account.username)!, B);
    await b.book.update(b.book.get(account.username)!, C);
    expect(b.answered(NAME)).toEqual([C, B]);
    b.nowMs += 86_400_001;
    expect(b.answered(NAME)).toEqual([]);
  });

  it('hold no more accounts than one node may', async () => {
    const [a, b] = [acmeRig(), acmeRig({ accountsMax: 2 })];
    for (const i of [1, 2, 3]) await register(a, `n${i}.gslb.test.`);
    await pass(a, b);
    expect(b.book.list()).toHaveLength(2);
  });

  it('agree, whoever puts it together and in whatever order', () => {
    const value = fc.record({
      txt: fc.constantFrom(A, B, C),
      set: fc.integer({ min: 0, max: 5 }),
      expires: fc.constantFrom(50, 200),
    });
    const entry = fc
      .record({
        changed: fc.integer({ min: 0, max: 2 }),
        removed: fc.boolean(),
        values: fc.array(value, { maxLength: 3 }),
      })
      .map(({ changed, removed, values }): AcmeEntry => {
        const kept = removed ? [] : newestValues(values, 100);
        const digest = removed ? '0'.repeat(64) : String(changed).repeat(64);
        const facts = { username: 'u', subdomain: 's', name: NAME, allow_from: [], note: '', created: 1 };
        return { ...facts, digest, changed, removed, values: kept };
      });
    fc.assert(
      fc.property(entry, entry, (a, b) => {
        const merged = mergeEntries(a, b, 100);
        expect(merged).toEqual(mergeEntries(b, a, 100));
        expect(mergeEntries(merged, a, 100)).toEqual(merged);
      }),
    );
  });
});
