import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { EventBus } from '../../../src/control/event-bus.js';
import { TokenBook, type TokenHolder } from '../../../src/control/token-book.js';
import {
  NO_TOKENS,
  readTokenStore,
  type StoredTokens,
  tokenStoreAt,
} from '../../../src/control/token-store.js';
import { hashToken, type Role, type Token } from '../../../src/sources/token-file.js';
import { removeFolders, temporaryFolder } from '../../support/folder.js';

afterAll(removeFolders);

const HOUR = 3_600_000;
const START = Date.parse('2030-01-31T12:00:00Z');
const ADMIN: TokenHolder = { name: 'alice', role: 'admin' };

function rig(given: readonly Token[] = [], stored?: StoredTokens) {
  const saved: StoredTokens[] = [];
  const logged: string[] = [];
  const state = { nowMs: START, failing: false };
  let made = 0;
  const events = new EventBus(() => state.nowMs);
  const book = new TokenBook(
    {
      store: {
        async save(next) {
          if (state.failing) throw new Error('ENOSPC');
          saved.push(structuredClone(next));
        },
      },
      events,
      now: () => state.nowMs,
      newSecret: () => `secret-${++made}`,
      log: { error: (facts, message) => logged.push(`${message} ${JSON.stringify(facts)}`) },
    },
    stored,
  );
  book.give(given, 'file');
  return { book, saved, state, events, logged };
}

const token = (name: string, role: Role, more: Partial<Token> = {}): Token => ({
  name,
  role,
  digest: hashToken(name),
  ...more,
});

describe('TokenBook', () => {
  it('makes a token that is found, listed without its secret, saved as a digest, and told to listeners', async () => {
    const { book, saved, events } = rig();
    const made = await book.create({ name: 'ci', role: 'zones', zones: ['Example.com.'] }, ADMIN);
    expect(made).toMatchObject({ secret: 'secret-1', facts: { name: 'ci', state: 'valid', by: 'alice' } });
    expect(book.find('secret-1')).toEqual({ name: 'ci', role: 'zones', zones: ['example.com'] });
    expect(book.find('secret-2')).toBeNull();
    expect(book.find('')).toBeNull();
    expect(JSON.stringify([book.list(), saved, events.since(0).events])).not.toContain('secret-1');
    expect(saved.at(-1)?.tokens[0]).toMatchObject({ name: 'ci', created: '2030-01-31T12:00:00.000Z' });
    expect(events.since(START).events).toMatchObject([
      { type: 'tokens.created', data: { name: 'ci', by: 'alice' } },
    ]);
  });

  it('lets a token run out, and lists it as such', async () => {
    const { book, state } = rig([token('old', 'read', { expiresMs: START + HOUR })]);
    await book.create({ name: 'ci', role: 'read', expiresMs: START + 2 * HOUR }, ADMIN);
    expect([book.find('old')?.name, book.find('secret-1')?.name]).toEqual(['old', 'ci']);
    state.nowMs = START + HOUR;
    expect([book.find('old'), book.find('secret-1')?.name]).toEqual([null, 'ci']);
    state.nowMs = START + 2 * HOUR;
    expect(book.find('secret-1')).toBeNull();
    expect(book.list().map(({ state }) => state)).toEqual(['expired', 'expired']);
  });

  it('revokes tokens of the API and of files for good, and saves that', async () => {
    const { book, saved } = rig([token('alice', 'admin'), token('bob', 'admin')]);
    await book.create({ name: 'ci', role: 'read' }, ADMIN);
    expect(await book.revoke('ci', { by: ADMIN, force: false })).toEqual({ revoked: 1 });
    expect(await book.revoke('bob', { by: ADMIN, force: false })).toEqual({ revoked: 1 });
    expect([book.find('secret-1'), book.find('bob'), book.find('alice')?.name]).toEqual([
      null,
      null,
      'alice',
    ]);
    expect(book.list().map(({ name, state }) => `${name} ${state}`)).toEqual(['alice valid', 'bob revoked']);
    expect(await book.revoke('bob', { by: ADMIN, force: false })).toMatchObject({ code: 'not_found' });
    // The same again after a restart, and after the file was read again.
    const again = rig([token('alice', 'admin'), token('bob', 'admin')], saved.at(-1)).book;
    expect(again.find('bob')).toBeNull();
  });

  it('keeps the last admin unless forced, and does not count those that ran out', async () => {
    const { book } = rig([token('alice', 'admin'), token('old', 'admin', { expiresMs: START - 1 })]);
    expect(await book.revoke('alice', { by: ADMIN, force: false })).toMatchObject({ code: 'last_admin' });
    expect(book.find('alice')?.name).toBe('alice');
    expect(await book.revoke('alice', { by: ADMIN, force: true })).toEqual({ revoked: 1 });
    expect(book.find('alice')).toBeNull();
  });

  it.each<[string, TokenHolder, object, string]>([
    ['a later end', { ...ADMIN, expiresMs: START + HOUR }, { role: 'read' }, 'runs out on'],
    ['a higher role', { name: 'z', role: 'zones' }, { role: 'admin' }, 'cannot give the role admin'],
    ['a role beside', { name: 'o', role: 'operate' }, { role: 'zones' }, 'cannot give the role zones'],
    [
      'all zones',
      { name: 'z', role: 'zones', zones: ['a.test'] },
      { role: 'zones' },
      'for the zones a.test only',
    ],
    [
      'more zones',
      { name: 'z', role: 'zones', zones: ['a.test'] },
      { role: 'zones', zones: ['b.test'] },
      'only',
    ],
    [
      'another node',
      { name: 'r', role: 'report', node: 'a' },
      { role: 'report', node: 'b' },
      'for the node a only',
    ],
  ])('does not give %s than its creator has', async (_what, by, draft, message) => {
    const { book, saved } = rig();
    const refused = await book.create({ name: 'new', ...draft } as never, by);
    expect(refused).toMatchObject({ code: 'exceeds_creator', message: expect.stringContaining(message) });
    expect(saved).toEqual([]);
  });

  it('refuses a name twice', async () => {
    const { book } = rig([token('alice', 'admin')]);
    expect(await book.create({ name: 'alice', role: 'read' }, ADMIN)).toMatchObject({ code: 'name_taken' });
  });

  it('changes nothing where it cannot be saved', async () => {
    const { book, state, logged } = rig([token('alice', 'admin'), token('bob', 'read')]);
    state.failing = true;
    expect(await book.create({ name: 'ci', role: 'read' }, ADMIN)).toMatchObject({ code: 'not_saved' });
    expect(await book.revoke('bob', { by: ADMIN, force: false })).toMatchObject({ code: 'not_saved' });
    expect([book.find('secret-1'), book.find('bob')?.name, book.list().length]).toEqual([null, 'bob', 2]);
    expect(logged.join()).toContain('ENOSPC');
    state.failing = false;
    expect(await book.create({ name: 'ci', role: 'read' }, ADMIN)).toMatchObject({ secret: 'secret-2' });
  });

  it('gives one of two that ask for a name at once', async () => {
    const { book } = rig();
    const draft = { name: 'ci', role: 'read' } as const;
    const both = await Promise.all([book.create(draft, ADMIN), book.create(draft, ADMIN)]);
    expect(both.map((one) => 'secret' in one)).toEqual([true, false]);
  });

  it('notes the last use to the minute, and writes it when told to', async () => {
    const { book, state, saved } = rig([token('alice', 'admin')]);
    state.nowMs = START + 90_500;
    book.find('alice');
    expect(book.list()[0]?.lastUsed).toBe('2030-01-31T12:01:00.000Z');
    await book.flush();
    await book.flush();
    expect(saved).toHaveLength(1);
    const again = rig([token('alice', 'admin')], saved[0]).book;
    expect(again.list()[0]?.lastUsed).toBe('2030-01-31T12:01:00.000Z');
  });

  it('forgets stored tokens a month after they ran out', async () => {
    const { book, state, saved } = rig();
    await book.create({ name: 'old', role: 'read', expiresMs: START + HOUR }, ADMIN);
    state.nowMs = START + 32 * 24 * HOUR;
    await book.create({ name: 'new', role: 'read' }, ADMIN);
    expect(saved.at(-1)?.tokens.map(({ name }) => name)).toEqual(['new']);
  });
});

describe('the token store', () => {
  it('is read as it was written, by its owner only', async () => {
    const file = join(temporaryFolder(), 'tokens.json');
    expect(await readTokenStore(file)).toEqual({ stored: NO_TOKENS });
    const digest = 'a'.repeat(64);
    const stored: StoredTokens = {
      format: 1,
      tokens: [{ name: 'ci', role: 'read', sha256: digest, created: '2030-01-31T12:00:00Z', by: 'alice' }],
      revoked: [{ sha256: digest, name: 'bob', at: '2030-01-31T12:00:00Z', by: 'alice' }],
      used: { [digest]: '2030-01-31T12:00:00.000Z' },
    };
    await tokenStoreAt(file).save(stored);
    expect(await readTokenStore(file)).toEqual({ stored });
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it.each([
    ['half a file', '{"format":1,"tokens":['],
    ['another form', '{"format":2,"tokens":[],"revoked":[],"used":{}}'],
    ['another key', '{"format":1,"tokens":[],"revoked":[],"used":{},"x":1}'],
    ['nothing', ''],
  ])('is a problem with %s: revoked tokens must not be good again', async (_what, text) => {
    const file = join(temporaryFolder(), 'tokens.json');
    writeFileSync(file, text, { mode: 0o600 });
    expect(await readTokenStore(file)).toEqual({ problem: expect.stringContaining(file) });
  });

  it('leaves what was there where it cannot be written', async () => {
    const folder = temporaryFolder();
    const file = join(folder, 'tokens.json');
    await tokenStoreAt(file).save(NO_TOKENS);
    const before = readFileSync(file, 'utf8');
    await expect(tokenStoreAt(join(folder, 'missing', 'tokens.json')).save(NO_TOKENS)).rejects.toThrow(
      'ENOENT',
    );
    expect(readFileSync(file, 'utf8')).toBe(before);
  });
});
