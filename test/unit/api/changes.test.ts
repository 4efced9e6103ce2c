import { mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Api } from '../../../src/api/server.js';
import { AuditLog } from '../../../src/control/audit-log.js';
import { apiOn, type ControlRig, controlRig, tokenBook } from '../../support/control-rig.js';
import { removeFolders, temporaryFolder } from '../../support/folder.js';

let rig: ControlRig;
let api: Api;
let audit: AuditLog;
let file: string;
let nowMs: number;
beforeEach(async () => {
  rig = controlRig();
  file = join(mkdtempSync(join(temporaryFolder(), 'audit-')), 'audit.log');
  audit = await AuditLog.open(file, { log: { error() {} } });
  nowMs = Date.now();
  api = await apiOn(rig, { modules: { audit, now: () => nowMs } });
});
afterEach(async () => {
  await api.close();
  await audit.close();
  rig.close();
});
afterAll(removeFolders);

const as = (token: string, more: Record<string, string> = {}) => ({
  authorization: `Bearer ${token}`,
  ...more,
});

const create = (payload: object, headers: Record<string, string> = as('admin')) =>
  api.inject({ method: 'POST', url: '/v1/tokens', headers, payload });

interface Entry {
  readonly who: string | null;
  readonly status: number;
}

const audited = async (query = '') =>
  (await api.inject({ url: `/v1/audit${query}`, headers: as('admin') })).json() as {
    readonly entries: readonly Entry[];
    readonly next?: string;
  };

describe('/v1/tokens', () => {
  it('makes a token that works at once, shows it once, lists and revokes it', async () => {
    const made = await create({ name: 'ci', role: 'operate', expires: '90d' });
    expect(made.statusCode).toBe(201);
    expect(made.headers['cache-control']).toBe('no-store');
    const { token } = made.json() as { token: string };
    const who = async () => api.inject({ url: '/v1/whoami', headers: as(token) });
    expect((await who()).json()).toEqual({
      name: 'ci',
      role: 'operate',
      expires: new Date(nowMs + 90 * 86_400_000).toISOString(),
    });
    const list = await api.inject({ url: '/v1/tokens?source=api', headers: as('admin') });
    expect(list.json()).toMatchObject({ total: 1, tokens: [{ name: 'ci', state: 'valid', by: 'admin' }] });
    expect(list.body).not.toContain(token);
    const gone = await api.inject({ method: 'DELETE', url: '/v1/tokens/ci', headers: as('admin') });
    expect(gone.json()).toEqual({ name: 'ci', revoked: 1 });
    expect((await who()).statusCode).toBe(401);
  });

  it.each([
    ['a day that was', { expires: '2001-01-01' }, 'body.expires'],
    ['a day of no calendar', { expires: '2999-99-99' }, 'body.expires'],
    ['an end after it all', { expires: '999999999d' }, 'body.expires'],
    ['no time at all', { expires: '0s' }, 'body.expires'],
    ['zones for another role', { role: 'read', zones: ['a.test'] }, 'body.zones'],
    ['a node for another role', { role: 'read', node: 'a' }, 'body.node'],
    ['a name with a slash', { name: 'a/b' }, 'body.name'],
    ['a role of nobody', { role: 'root' }, 'body.role'],
    ['no zone', { role: 'zones', zones: [] }, 'body.zones'],
  ])('refuses %s', async (_what, change, path) => {
    const response = await create({ name: 'new', role: 'read', ...change });
    expect(response.json()).toMatchObject({ status: 400, code: 'invalid_request', problems: [{ path }] });
  });

  it('answers 409 to a name twice and to the last admin, 404 to a stranger', async () => {
    await create({ name: 'ci', role: 'read' });
    expect((await create({ name: 'ci', role: 'read' })).json()).toMatchObject({
      status: 409,
      code: 'name_taken',
    });
    const revoke = async (url: string) =>
      (await api.inject({ method: 'DELETE', url, headers: as('admin') })).json() as object;
    expect(await revoke('/v1/tokens/nobody')).toMatchObject({ status: 404, code: 'not_found' });
    expect(await revoke('/v1/tokens/admin')).toMatchObject({ status: 409, code: 'last_admin' });
    expect(await revoke('/v1/tokens/admin?force=true')).toMatchObject({ revoked: 1 });
    expect((await audited()) as object).toMatchObject({ code: 'unauthorized' });
  });

  it('lets a token for some zones change those only', async () => {
    const shop = { name: 'shop', role: 'zones', zones: ['shop.test'] } as const;
    const fresh = await apiOn(rig, { modules: { findToken: () => shop } });
    for (const url of ['/v1/zones-of-a-test/:zone', '/v1/plan-of-a-test']) {
      fresh.route({ method: 'PUT', url, config: { role: 'zones' }, handler: () => ({}) });
    }
    const put = async (url: string) =>
      (await fresh.inject({ method: 'PUT', url, headers: as('t') })).statusCode;
    expect(await put('/v1/zones-of-a-test/shop.test')).toBe(200);
    expect(await put('/v1/zones-of-a-test/SHOP.test.')).toBe(200);
    expect(await put('/v1/zones-of-a-test/www.shop.test')).toBe(403);
    expect(await put('/v1/zones-of-a-test/other.test')).toBe(403);
    // A route that names no zone, and does not look itself.
    expect(await put('/v1/plan-of-a-test')).toBe(403);
    expect((await fresh.inject({ url: '/v1/zones', headers: as('t') })).statusCode).toBe(200);
    await fresh.close();
  });
});

describe('the audit log', () => {
  it('has each change, done or refused, with who and what; never a secret; and no reads', async () => {
    const made = await create({ name: 'ci', role: 'read' }, as('admin', { 'x-request-id': 'req-1' }));
    await create({ name: 'ci', role: 'read' });
    await create({ name: 'x', role: 'read' }, as('read'));
    await create({ name: 'x', role: 'read' }, {});
    await create({ nam: 'x' });
    await api.inject({ url: '/v1/status', headers: as('admin') });
    await api.inject({ method: 'POST', url: '/nothing', headers: as('admin') });
    const { entries } = await audited();
    expect(entries).toMatchObject([
      { who: 'admin', status: 400, code: 'invalid_request' },
      { who: null, role: null, status: 401, code: 'unauthorized' },
      { who: 'read', role: 'read', status: 403, code: 'forbidden' },
      { who: 'admin', status: 409, code: 'name_taken' },
      {
        id: 1,
        who: 'admin',
        role: 'admin',
        method: 'POST',
        path: '/v1/tokens',
        status: 201,
        request_id: 'req-1',
        address: '127.0.0.1',
        facts: { name: 'ci', role: 'read' },
      },
    ]);
    const text = readFileSync(file, 'utf8');
    expect(text).not.toContain((made.json() as { token: string }).token);
    expect(text).not.toContain('Bearer');
  });

  it('cannot be flooded by who is turned away', async () => {
    nowMs = Math.ceil(nowMs / 60_000) * 60_000;
    for (let i = 0; i < 100; i++) await create({ name: 'x', role: 'read' }, i % 2 === 0 ? {} : as('read'));
    await create({ name: 'ci', role: 'read' });
    expect((await audited('?limit=1000')).entries).toHaveLength(61);
    nowMs += 60_000;
    await create({ name: 'ci2', role: 'read' });
    expect((await audited()).entries[0]).toMatchObject({ status: 201, omitted: 40 });
  });

  it('is on the disk before the answer leaves', async () => {
    await create({ name: 'ci', role: 'read' });
    expect(readFileSync(file, 'utf8')).toContain('"name":"ci"');
  });

  it('comes in pages, and by who, outcome and path', async () => {
    for (let i = 0; i < 5; i++) await create({ name: `t${i}`, role: 'read' });
    await create({ name: 'x', role: 'read' }, as('read'));
    const first = await audited('?limit=4');
    expect(first.entries).toHaveLength(4);
    const rest = await audited(`?limit=4&cursor=${first.next}`);
    expect(rest.entries).toHaveLength(2);
    expect(rest).not.toHaveProperty('next');
    expect((await audited('?who=read')).entries).toHaveLength(1);
    expect((await audited('?outcome=refused')).entries).toHaveLength(1);
    expect((await audited('?outcome=done&path=/v1/tok')).entries).toHaveLength(5);
    expect((await audited('?cursor=x')) as object).toMatchObject({ code: 'invalid_cursor' });
  });

  it('is for admins', async () => {
    expect((await api.inject({ url: '/v1/audit', headers: as('zones') })).statusCode).toBe(403);
  });
});

describe('Idempotency-Key', () => {
  it('refuses a body that is nested without end', async () => {
    const headers = as('admin', { 'idempotency-key': 'deep', 'content-type': 'application/json' });
    const payload = `{"document":${'{"a":'.repeat(30_000)}1${'}'.repeat(30_000)}}`;
    const { statusCode, body } = await api.inject({ method: 'POST', url: '/v1/plan', headers, payload });
    expect([statusCode, JSON.parse(body).code]).toEqual([400, 'invalid_request']);
  });

  const revoke = (name: string, key: string, token = 'admin') =>
    api.inject({
      method: 'DELETE',
      url: `/v1/tokens/${name}`,
      headers: as(token, { 'idempotency-key': key }),
    });

  it('gives the first answer again, and does nothing', async () => {
    await create({ name: 'ci', role: 'read' });
    const first = await revoke('ci', '"key-1"');
    const again = await revoke('ci', 'key-1');
    expect([first.statusCode, again.statusCode]).toEqual([200, 200]);
    expect(again.body).toBe(first.body);
    expect(first.headers['idempotent-replayed']).toBeUndefined();
    expect(again.headers['idempotent-replayed']).toBe('true');
    expect(again.headers['content-type']).toBe(first.headers['content-type']);
    expect((await revoke('ci', 'key-2')).statusCode).toBe(404);
    expect((await audited()).entries.filter((entry) => 'replayed' in entry)).toHaveLength(1);
  });

  it("repeats refusals too, and is each token's own", async () => {
    expect((await revoke('ci', 'k')).statusCode).toBe(404);
    await create({ name: 'ci', role: 'read' });
    expect((await revoke('ci', 'k')).statusCode).toBe(404);
    const { token } = (await create({ name: 'bob', role: 'admin' })).json() as { token: string };
    expect((await revoke('ci', 'k', token)).statusCode).toBe(200);
  });

  it('is not that of a later token of the same name with other rights', async () => {
    const replayed: unknown[] = [];
    for (const role of ['read', 'read', 'zones']) {
      const { token } = (await create({ name: 'bob', role })).json() as { token: string };
      const headers = as(token, { 'idempotency-key': 'k' });
      const payload = { text: 'zone: a.test\n' };
      const answer = await api.inject({ method: 'POST', url: '/v1/plan', headers, payload });
      replayed.push(answer.headers['idempotent-replayed']);
      await revoke('bob', `gone-${replayed.length}`);
    }
    expect(replayed).toEqual([undefined, 'true', undefined]);
  });

  it('answers 422 to the same key with another request', async () => {
    await revoke('a', 'k');
    expect((await revoke('b', 'k')).json()).toMatchObject({ status: 422, code: 'key_reused' });
    const other = await create({ name: 'ci', role: 'read' }, as('admin', { 'idempotency-key': 'k' }));
    expect(other.statusCode).toBe(422);
  });

  it('answers 409 while the first is being worked on, and its answer after that', async () => {
    await api.close();
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const tokens = tokenBook(rig);
    const slow = Object.create(tokens, {
      revoke: { value: () => held.then(() => ({ revoked: 1 })) },
    }) as typeof tokens;
    api = await apiOn(rig, { modules: { tokens: slow } });
    const first = revoke('ci', 'k');
    await new Promise(setImmediate);
    const during = await revoke('ci', 'k');
    expect(during.json()).toMatchObject({ status: 409, code: 'in_flight' });
    expect(during.headers['retry-after']).toBe('1');
    release();
    expect((await first).statusCode).toBe(200);
    expect((await revoke('ci', 'k')).json()).toEqual({ name: 'ci', revoked: 1 });
  });

  it('does not keep a secret: who asks again is told that it was made', async () => {
    const headers = as('admin', { 'idempotency-key': 'k' });
    expect((await create({ name: 'ci', role: 'read' }, headers)).statusCode).toBe(201);
    const again = await create({ name: 'ci', role: 'read' }, headers);
    expect(again.json()).toMatchObject({ status: 409, code: 'already_done' });
  });

  it('forgets after a day', async () => {
    await revoke('ci', 'k');
    await create({ name: 'ci', role: 'read' });
    nowMs += 24 * 3_600_000 - 1;
    expect((await revoke('ci', 'k')).statusCode).toBe(404);
    nowMs += 1;
    expect((await revoke('ci', 'k')).statusCode).toBe(200);
  });

  it.each(['', 'x'.repeat(256), 'a b', 'ä', '"'])('refuses the key %j', async (key) => {
    expect((await revoke('ci', key)).json()).toMatchObject({ status: 400, code: 'invalid_idempotency_key' });
  });

  it('does not keep failures of the server', async () => {
    await api.close();
    let fails = true;
    const tokens = tokenBook(rig);
    const broken = Object.create(tokens, {
      revoke: {
        value: async () => (fails ? { code: 'not_saved', message: 'no space' } : { revoked: 1 }),
      },
    }) as typeof tokens;
    api = await apiOn(rig, { modules: { tokens: broken } });
    expect((await revoke('ci', 'k')).json()).toMatchObject({ status: 503, code: 'not_saved' });
    fails = false;
    expect((await revoke('ci', 'k')).statusCode).toBe(200);
  });
});
