import { afterEach, describe, expect, it } from 'vitest';
import type { Api, ApiModules } from '../../../src/api/server.js';
import { AcmeService, type AcmeSettings } from '../../../src/control/acme-service.js';
import type { ControlPlane } from '../../../src/control/control-plane.js';
import { parseNetwork } from '../../../src/core/acme/network.js';
import { type AcmeRig, acmeRig, txtOf } from '../../support/acme-rig.js';
import { apiOn, type ControlRig, controlRig } from '../../support/control-rig.js';

const ZONE = `zone: gslb.test
nameservers: { ns1: { A: 192.0.2.53 } }
records:
  www: { type: A, value: 192.0.2.1 }
  _acme-challenge.taken: { type: CNAME, value: www.gslb.test. }
  "*.wild": { type: CNAME, value: www.gslb.test. }
  sub: { type: NS, value: ns.elsewhere.test. }
  old: { type: DNAME, value: elsewhere.test. }
`;
const A = txtOf('A');

interface World {
  readonly control: ControlPlane;
  readonly api: Api;
  readonly acme: AcmeRig;
}

const open: ControlRig[] = [];
afterEach(() => {
  for (const rig of open.splice(0)) rig.close();
});

async function world(
  settings: Partial<AcmeSettings> = {},
  options: Parameters<typeof acmeRig>[0] = {},
  modules: Partial<ApiModules> = {},
): Promise<World> {
  const acme = acmeRig(options);
  const rig = controlRig({ challenges: acme.book.table });
  open.push(rig);
  await rig.load({ 'gslb.test.yaml': ZONE });
  const defaults = { domain: 'auth.gslb.test.', registerFrom: [], proxies: [], peers: ['dns-2'], epoch: 7 };
  const service = new AcmeService(acme.book, { ...defaults, ...settings }, rig.control);
  const { control } = rig;
  return { api: await apiOn(rig, { modules: { acme: service, ...modules } }), acme, control };
}

/** With the token `some`, which may change these zones only. */
async function limited(...zones: readonly string[]) {
  const findToken = { zones };
  const at = await world(
    {},
    {},
    {
      findToken: (token) =>
        token === 'some'
          ? { name: 'some', role: 'zones', zones: findToken.zones }
          : { name: token, role: 'admin' },
    },
  );
  return { ...at, findToken };
}

const networks = (...texts: readonly string[]) => texts.map((text) => parseNetwork(text)!);
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` });

interface Account {
  readonly username: string;
  readonly password: string;
  readonly fulldomain: string;
  readonly subdomain: string;
  readonly allowfrom: readonly string[];
}

async function register({ api }: World, payload?: string): Promise<Account> {
  const response = await api.inject({
    method: 'POST',
    url: '/register',
    headers: bearer('zones'),
    ...(payload !== undefined && { payload }),
  });
  expect(response.statusCode).toBe(201);
  return response.json();
}

interface Sent {
  readonly user?: string;
  readonly key?: string;
  readonly body?: unknown;
  readonly from?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

async function update({ api }: World, account: Account, sent: Sent = {}) {
  const { user = account.username, key = account.password, from = '127.0.0.1' } = sent;
  const body = sent.body ?? { subdomain: account.subdomain, txt: A };
  const { statusCode, body: text } = await api.inject({
    method: 'POST',
    url: '/update',
    remoteAddress: from,
    headers: { 'x-api-user': user, 'x-api-key': key, ...sent.headers },
    payload: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return [statusCode, text];
}

describe('POST /register', () => {
  it('answers as acme-dns does', async () => {
    const { api, acme } = await world();
    const response = await api.inject({ method: 'POST', url: '/register', headers: bearer('zones') });
    const account: Account = response.json();
    expect([response.statusCode, response.headers['content-type']]).toEqual([201, 'application/json']);
    expect(Object.keys(account)).toEqual(['username', 'password', 'fulldomain', 'subdomain', 'allowfrom']);
    expect(account.password).toHaveLength(40);
    expect(account.fulldomain).toBe(`${account.subdomain}.auth.gslb.test`);
    expect(acme.answered(account.fulldomain)).toEqual([]);
  });

  it.each([
    ['no token', {}, 401],
    ['a wrong token', bearer('wrong'), 401],
    ['a token of another role', bearer('operate'), 401],
    ['the token of an administrator', bearer('admin'), 201],
    ['a token as password, as clients take it from a URL', basic('anybody:zones'), 201],
    ['a token as user', basic('zones:'), 401],
    ['half of basic authentication', basic('zones'), 401],
  ])('with %s', async (_, headers, status) => {
    const { api } = await world();
    const response = await api.inject({ method: 'POST', url: '/register', headers });
    expect(response.statusCode).toBe(status);
    if (status === 401) expect(response.body).toBe('{"error": "forbidden"}');
  });

  it.each([
    ['192.0.2.9', {}, 201],
    ['::ffff:192.0.2.9', {}, 201],
    ['198.51.100.1', {}, 401],
    ['10.0.0.1', { 'x-forwarded-for': '192.0.2.9' }, 201],
    ['10.0.0.1', { 'x-forwarded-for': '192.0.2.9, 10.0.0.2' }, 201],
    // Written by the client itself, in front of what the proxy adds.
    ['10.0.0.1', { 'x-forwarded-for': '192.0.2.9, 198.51.100.1' }, 401],
    ['10.0.0.1', { 'x-forwarded-for': '192.0.2.9, nonsense' }, 401],
    ['10.0.0.1', {}, 401],
    ['198.51.100.1', { 'x-forwarded-for': '192.0.2.9' }, 401],
    // A proxy that nobody named: its address says nothing of the client.
    ['192.0.2.9', { 'x-forwarded-for': '198.51.100.1' }, 401],
    ['192.0.2.9', bearer('wrong'), 401],
  ])('from %s with %j is answered %i where 192.0.2.0/24 may', async (remoteAddress, headers, status) => {
    const { api } = await world({
      registerFrom: networks('192.0.2.0/24'),
      proxies: networks('10.0.0.0/8'),
    });
    const response = await api.inject({ method: 'POST', url: '/register', remoteAddress, headers });
    expect(response.statusCode).toBe(status);
  });

  it.each([
    ['', []],
    ['null', []],
    ['{}', []],
    ['{"allowfrom": null}', []],
    [
      '{"allowfrom": ["123.123.123.123/32", "2001:db8:a0b:12f0::1/32", "[::1]/64"]}',
      ['123.123.123.123/32', '2001:db8:a0b:12f0::1/32', '::1/64'],
    ],
    // As Go writes the fields of a structure.
    ['{"AllowFrom":["192.0.2.0/24"]}', ['192.0.2.0/24']],
  ])('takes the body %s', async (payload, allowfrom) => {
    expect((await register(await world(), payload)).allowfrom).toEqual(allowfrom);
  });

  it.each([
    ['{"allowfrom":["invalid"]}', 'invalid_allowfrom_cidr'],
    ['{"allowfrom":["1.2.3.4/33"]}', 'invalid_allowfrom_cidr'],
    ['{"allowfrom":["1.2/24"]}', 'invalid_allowfrom_cidr'],
    ['{"allowfrom":["1.2.3.4"]}', 'invalid_allowfrom_cidr'],
    ['{"allowfrom":["12345:db8::1/32"]}', 'invalid_allowfrom_cidr'],
    ['{"allowfrom":["1234::123::123::1/32"]}', 'invalid_allowfrom_cidr'],
    [`{"allowfrom": ["::/0"${', "::/0"'.repeat(64)}]}`, 'invalid_allowfrom_cidr'],
    [`{"allowfrom': '1.1.1.1/32'}`, 'malformed_json_payload'],
    ['"allowfrom"', 'malformed_json_payload'],
    ['[]', 'malformed_json_payload'],
    ['{allowfrom: [1.2.3.4]}', 'malformed_json_payload'],
    ['{"allowfrom": "1.1.1.1/32"}', 'malformed_json_payload'],
    ['{"allowfrom": [7]}', 'malformed_json_payload'],
    ['whatever', 'malformed_json_payload'],
  ])('refuses the body %s: %s', async (payload, error) => {
    const { api } = await world();
    const response = await api.inject({
      method: 'POST',
      url: '/register',
      headers: bearer('zones'),
      payload,
    });
    expect([response.statusCode, response.body]).toEqual([400, `{"error": "${error}"}`]);
  });

  it('says why there is no account', async () => {
    const ask = async ({ api }: World) => {
      const headers = bearer('zones');
      const response = await api.inject({ method: 'POST', url: '/register', headers });
      return [response.statusCode, response.json<{ error: string }>().error];
    };
    const full = await world({}, { accountsMax: 1 });
    await register(full);
    expect(await ask(full)).toEqual([409, 'too_many_accounts']);
    expect(await ask(await world({ domain: 'auth.other.test.' }))).toEqual([409, 'not_served']);
    expect(await ask(await world({ domain: 'auth.sub.gslb.test.' }))).toEqual([409, 'not_answered']);
    const broken = await world();
    broken.acme.isFull = true;
    expect(await ask(broken)).toEqual([500, 'not_saved']);
  });

  it('lets nobody be locked out by strangers at the same address', async () => {
    const at = await world();
    const account = await register(at);
    const ask = async (url: string, headers: Record<string, string>) =>
      (await at.api.inject({ method: 'POST', url, headers, payload: '' })).statusCode;
    for (let i = 0; i < 31; i++) await ask('/register', {});
    for (let i = 0; i < 301; i++) await ask('/update', { 'x-api-user': 'nobody' });
    expect([await ask('/register', {}), await ask('/update', { 'x-api-user': 'nobody' })]).toEqual([
      429, 429,
    ]);
    expect(await ask('/register', bearer('zones'))).toBe(201);
    expect(await update(at, account)).toEqual([200, `{"txt": "${A}"}`]);
  });

  it('is limited for each address', async () => {
    const { api } = await world();
    const ask = async (remoteAddress: string) =>
      (await api.inject({ method: 'POST', url: '/register', remoteAddress })).statusCode;
    for (let i = 0; i < 30; i++) expect(await ask('2001:db8::1')).toBe(401);
    expect([await ask('2001:db8::2'), await ask('2001:db8:0:1::1')]).toEqual([429, 401]);
  });
});

describe('POST /update', () => {
  it('answers as acme-dns does, to the letter', async () => {
    const at = await world();
    const account = await register(at);
    expect(await update(at, account)).toEqual([200, `{"txt": "${A}"}`]);
    expect(at.acme.answered(account.fulldomain)).toEqual([A]);
  });

  it('takes what clients in Go and in Python send', async () => {
    const at = await world();
    const account = await register(at);
    const { subdomain } = account;
    for (const body of [
      { SubDomain: subdomain, Txt: A },
      { subdomain, txt: txtOf('b'), extra: 1 },
    ]) {
      expect((await update(at, account, { body }))[0]).toBe(200);
    }
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    expect((await update(at, account, { headers: form }))[0]).toBe(200);
  });

  it.each([
    ['no user', { user: '' }],
    ['a user that is none', { user: 'non-uuid' }],
    ['another user', { user: 'a097455b-52cc-4569-90c8-7a4b97c6eba8' }],
    ['a short password', { key: 'tooshort' }],
    ['a wrong password', { key: 'x'.repeat(40) }],
    ['a password that is too long', { key: 'x'.repeat(8000) }],
    ['another subdomain', { body: { subdomain: 'bb97455b-52cc-4569-90c8-7a4b97c6eba8', txt: A } }],
    ['a subdomain that is no text', { body: { subdomain: 1, txt: A } }],
    ['no subdomain', { body: { txt: A } }],
    ['a body that is no JSON', { body: 'whatever' }],
    ['an empty body', { body: '' }],
    ['a list', { body: [] }],
  ])('refuses %s', async (_, sent) => {
    const at = await world();
    const account = await register(at);
    expect(await update(at, account, sent)).toEqual([401, '{"error": "forbidden"}']);
    expect(at.acme.answered(account.fulldomain)).toEqual([]);
  });

  it.each([
    '',
    'tooshort',
    'x'.repeat(42),
    'x'.repeat(44),
    `${'x'.repeat(42)}é`,
    `${'x'.repeat(42)}"`,
    1234567890,
    null,
  ])('refuses the value %j', async (txt) => {
    const at = await world();
    const account = await register(at);
    const body = { subdomain: account.subdomain, txt };
    expect(await update(at, account, { body })).toEqual([400, '{"error": "bad_txt"}']);
  });

  it.each([
    ['192.0.2.9', {}, 200],
    ['198.51.100.1', {}, 401],
    ['198.51.100.1', { 'x-forwarded-for': '192.0.2.9' }, 401],
    ['192.0.2.9', { 'x-forwarded-for': '192.0.2.9' }, 401],
    ['10.0.0.1', { 'x-forwarded-for': '192.0.2.9' }, 200],
    ['10.0.0.1', { 'x-forwarded-for': 'unknown' }, 401],
  ])('from %s with %j is answered %i for an account of 192.0.2.0/24', async (from, headers, status) => {
    const at = await world({ proxies: networks('10.0.0.0/8') });
    const account = await register(at, '{"allowfrom":["192.0.2.0/24"]}');
    expect((await update(at, account, { from, headers }))[0]).toBe(status);
  });

  it('says what keeps it from storing', async () => {
    const at = await world();
    const account = await register(at);
    at.acme.isFull = true;
    expect(await update(at, account)).toEqual([500, '{"error": "db_error"}']);
    at.acme.isFull = false;
    const statuses: unknown[] = [];
    for (let i = 0; i < 31; i++) statuses.push((await update(at, account, { from: `192.0.2.${i}` }))[0]);
    expect([statuses[0], statuses.at(-1)]).toEqual([200, 429]);
    expect(await update(at, account, { body: 'x'.repeat(20_000) })).toEqual([413, '{"error": "too_large"}']);
  });
});

describe('GET /health', () => {
  it('is 200', async () => {
    const { api } = await world();
    expect((await api.inject('/health')).statusCode).toBe(200);
  });
});

describe('/v1/acme/accounts', () => {
  const make = async ({ api }: World, payload: object, token = 'zones') =>
    api.inject({ method: 'POST', url: '/v1/acme/accounts', headers: bearer(token), payload });

  it.each([
    ['www.gslb.test', '_acme-challenge.www.gslb.test'],
    ['*.New.gslb.test.', '_acme-challenge.new.gslb.test'],
    ['_acme-challenge.www.gslb.test', '_acme-challenge.www.gslb.test'],
    ['x.wild.gslb.test', '_acme-challenge.x.wild.gslb.test'],
    ['gslb.test', '_acme-challenge.gslb.test'],
  ])('makes an account for %s', async (domain, fulldomain) => {
    const at = await world();
    const response = await make(at, { domain, allow_from: ['192.0.2.0/24'], note: 'for the shop' });
    expect(response.statusCode).toBe(201);
    const account: Account = response.json();
    expect(account).toMatchObject({ fulldomain, allowfrom: ['192.0.2.0/24'] });
    expect((await update(at, account, { from: '192.0.2.1' }))[0]).toBe(200);
    const listed = await at.api.inject({ url: '/v1/acme/accounts', headers: bearer('read') });
    const { accounts } = listed.json<{ accounts: readonly object[] }>();
    expect(accounts).toMatchObject([{ fulldomain, note: 'for the shop', values: [{ txt: A }] }]);
    expect(listed.body).not.toContain(account.password);
  });

  it.each([
    [{ domain: 'www.other.test' }, 409, 'not_served'],
    [{ domain: 'www.sub.gslb.test' }, 409, 'not_answered'],
    [{ domain: 'www.old.gslb.test' }, 409, 'not_answered'],
    [{ domain: 'taken.gslb.test' }, 409, 'not_answered'],
    [{ domain: 'a..b' }, 400, 'invalid_name'],
    [{ domain: `${'x'.repeat(64)}.gslb.test` }, 400, 'invalid_name'],
    [{ domain: 'www.gslb.test', allow_from: ['everywhere'] }, 400, 'invalid_request'],
    [{ domain: 'www.gslb.test', allowfrom: [] }, 400, 'invalid_request'],
  ])('refuses %j', async (payload, status, code) => {
    const response = await make(await world(), payload);
    expect([response.statusCode, response.json<{ code: string }>().code]).toEqual([status, code]);
  });

  it('asks for the role zones, and for read to look', async () => {
    const at = await world();
    for (const token of ['read', 'operate', 'report']) {
      expect((await make(at, { domain: 'www.gslb.test' }, token)).statusCode).toBe(403);
    }
    expect((await at.api.inject('/v1/acme/accounts')).statusCode).toBe(401);
    expect((await at.api.inject({ method: 'DELETE', url: '/v1/acme/accounts/x' })).statusCode).toBe(401);
  });

  it('refuses a second account of a name until the first is ended', async () => {
    const at = await world();
    const first: Account = (await make(at, { domain: 'www.gslb.test' })).json();
    await update(at, first);
    expect((await make(at, { domain: '*.www.gslb.test' })).json()).toMatchObject({ code: 'name_taken' });
    const url = `/v1/acme/accounts/${first.username}`;
    const end = () => at.api.inject({ method: 'DELETE', url, headers: bearer('zones') });
    expect([(await end()).statusCode, (await end()).statusCode]).toEqual([204, 404]);
    expect((await update(at, first))[0]).toBe(401);
    expect(at.acme.answered('_acme-challenge.www.gslb.test')).toBeUndefined();
    expect((await make(at, { domain: 'www.gslb.test' })).statusCode).toBe(201);
  });

  it('keeps a token for some zones to those', async () => {
    const { api, acme, findToken } = await limited('other.test');
    const payload = { domain: 'www.gslb.test' };
    const headers = bearer('some');
    const make = await api.inject({ method: 'POST', url: '/v1/acme/accounts', headers, payload });
    const registered = await api.inject({ method: 'POST', url: '/register', headers });
    expect([make.statusCode, registered.statusCode, acme.book.list()]).toEqual([403, 401, []]);
    const mine = await api.inject({
      method: 'POST',
      url: '/v1/acme/accounts',
      headers: bearer('zones'),
      payload,
    });
    const url = `/v1/acme/accounts/${mine.json<Account>().username}`;
    expect((await api.inject({ method: 'DELETE', url, headers })).statusCode).toBe(403);
    findToken.zones = ['gslb.test'];
    expect((await api.inject({ method: 'POST', url: '/register', headers })).statusCode).toBe(201);
    expect((await api.inject({ method: 'DELETE', url, headers })).statusCode).toBe(204);
  });

  it('are listed in pages, and those below a name alone', async () => {
    const at = await world();
    for (const name of ['a.gslb.test', 'b.x.gslb.test', 'c.x.gslb.test']) await make(at, { domain: name });
    const list = async (query: string) => {
      const response = await at.api.inject({ url: `/v1/acme/accounts?${query}`, headers: bearer('read') });
      return response.json<{ accounts: readonly Account[]; total: number; next?: string }>();
    };
    const first = await list('limit=1&below=X.gslb.test');
    const second = await list(`limit=1&below=x.gslb.test&cursor=${first.next}`);
    expect([first.total, second.next]).toEqual([2, undefined]);
    expect([...first.accounts, ...second.accounts].map(({ fulldomain }) => fulldomain)).toEqual([
      '_acme-challenge.b.x.gslb.test',
      '_acme-challenge.c.x.gslb.test',
    ]);
    expect((await list('below=lb.test')).total).toBe(0);
  });

  it('tell what happens to those who listen', async () => {
    const at = await world();
    const told: unknown[] = [];
    at.control.events.listen(({ type, data }) => void told.push([type, data]));
    const account: Account = (await make(at, { domain: 'www.gslb.test' })).json();
    await update(at, account);
    const url = `/v1/acme/accounts/${account.username}`;
    await at.api.inject({ method: 'DELETE', url, headers: bearer('zones') });
    const facts = { name: '_acme-challenge.www.gslb.test.', username: account.username };
    expect(told).toEqual(
      ['account_made', 'value_set', 'account_ended'].map((change) => ['acme.updated', { ...facts, change }]),
    );
  });

  it('makes one below the domain without a name, if there is a domain', async () => {
    const response = await make(await world(), {});
    expect(response.json<Account>().fulldomain).toMatch(/^[0-9a-f-]{36}\.auth\.gslb\.test$/);
    const none = await world({ domain: undefined as never });
    expect((await make(none, {})).json()).toMatchObject({ status: 409, code: 'unsupported' });
  });
});

describe('POST /v1/acme/sync', () => {
  const sync = async ({ api }: World, payload: object, token = 'report') => {
    const headers = bearer(token);
    return (await api.inject({ method: 'POST', url: '/v1/acme/sync', headers, payload })).statusCode;
  };

  it('takes the accounts of the nodes that report_to names, from nobody else', async () => {
    const at = await world();
    const from = acmeRig({ first: 100 });
    const name = '_acme-challenge.www.gslb.test.';
    const made = await from.book.register({ nameOf: () => name, allowFrom: [], note: '' });
    if ('account' in made) await from.book.update(made.account, A);
    const accounts = from.book.changesAfter(0, 10).entries;
    expect(await sync(at, { node: 'dns-3', accounts })).toBe(403);
    // A proxy's token, or that of another node.
    expect(await sync(at, { node: 'dns-2', accounts }, 'bound')).toBe(403);
    expect(await sync(at, { node: 'dns-2', accounts }, 'zones')).toBe(403);
    expect(at.acme.answered(name)).toBeUndefined();
    expect(await sync(at, { node: 'dns-2', accounts })).toBe(200);
    expect(at.acme.answered(name)).toEqual([A]);
  });

  it('refuses what is no account, and says when the disk does not take it', async () => {
    const at = await world();
    expect(await sync(at, { node: 'dns-2', accounts: [{ username: 'x' }] })).toBe(400);
    expect(await sync(at, { node: 'dns-2', accounts: Array(201).fill({}) })).toBe(400);
    expect(await sync(at, { node: 'dns-2', accounts: [] })).toBe(200);
  });
});
