import * as system from 'node:fs/promises';
import type { InjectOptions } from 'fastify';
import { afterEach, describe, expect, it } from 'vitest';
import type { Api } from '../../../src/api/server.js';
import { etagOf } from '../../../src/control/zone-write.js';
import type { ZoneWriterModules } from '../../../src/control/zone-writer.js';
import { apiOn } from '../../support/control-rig.js';
import { removeFolders } from '../../support/folder.js';
import { diskError, type ZoneRig, zoneRig } from '../../support/zone-rig.js';

const ZONE = `# the zone
zone: a.test
nameservers: { ns1: { A: 192.0.2.53 } }
soa: { contact: hostmaster.a.test }
monitors: { web: { type: tcp, port: 80 } }
pools:
  eu: # europe
    endpoints:
      - { A: 192.0.2.1, weight: 3 } # dublin
      - { A: 192.0.2.2 }
records:
  "": { type: MX, value: { preference: 10, exchange: mail.example.net. } }
  www: { type: A, dynamic: { steering: failover, pools: [eu] } } # steered
  txt: { type: TXT, value: one }
`;
const NEW_ZONE = {
  nameservers: { ns1: { A: '192.0.2.53' } },
  soa: { contact: 'hostmaster.b.test' },
  records: { www: { type: 'A', value: '192.0.2.1' } },
};

let rig: ZoneRig;
let api: Api;
afterEach(async () => {
  rig.close();
  await api.close();
  removeFolders();
});

async function start(modules: Partial<ZoneWriterModules> = {}) {
  rig = await zoneRig({ 'a.test.yaml': ZONE }, modules);
  api = await apiOn(rig, { modules: { editor: rig.editor } });
}

interface Asked {
  readonly token?: string;
  readonly headers?: Record<string, string>;
  readonly payload?: NonNullable<InjectOptions['payload']>;
}

async function ask(method: 'GET' | 'PUT' | 'PATCH' | 'DELETE', url: string, asked: Asked = {}) {
  const { token = 'zones', headers = {}, payload } = asked;
  return api.inject({
    method,
    url,
    headers: { authorization: `Bearer ${token}`, ...headers },
    ...(payload !== undefined && { payload }),
  });
}

const ANY = { 'if-match': '*' };

describe('GET /v1/zones/:zone', () => {
  it('gives a summary with the ETag of the file', async () => {
    await start();
    const response = await ask('GET', '/v1/zones/A.test.', { token: 'read' });
    expect(response.statusCode).toBe(200);
    expect(response.headers['etag']).toBe(etagOf(ZONE));
    expect(response.json()).toMatchObject({
      zone: 'a.test.',
      file: 'a.test.yaml',
      etag: etagOf(ZONE),
      served: true,
      state: 'current',
      pools: 1,
    });
  });

  it.each<[string, Record<string, string>]>([
    ['?format=yaml', {}],
    ['', { accept: 'application/yaml' }],
  ])('gives the text of the file with %j %j', async (query, headers) => {
    await start();
    const response = await ask('GET', `/v1/zones/a.test${query}`, { headers });
    expect(response.headers['content-type']).toBe('application/yaml; charset=utf-8');
    expect(response.body).toBe(ZONE);
  });

  it('gives the file as data', async () => {
    await start();
    const response = await ask('GET', '/v1/zones/a.test?format=json');
    expect(response.json()).toMatchObject({
      zone: 'a.test',
      records: { txt: { type: 'TXT', value: 'one' } },
    });
  });

  it('says nothing new to who has it', async () => {
    await start();
    const response = await ask('GET', '/v1/zones/a.test', {
      headers: { 'if-none-match': `"x", W/${etagOf(ZONE)}` },
    });
    expect([response.statusCode, response.body]).toEqual([304, '']);
  });

  it('knows a zone whose file never was good', async () => {
    await start();
    await system.writeFile(`${rig.folder}/b.test.yaml`, 'zone: [');
    await rig.reload();
    const response = await ask('GET', '/v1/zones/b.test');
    expect(response.json()).toMatchObject({
      served: false,
      file: 'b.test.yaml',
      problems: [expect.stringContaining('b.test.yaml:')],
    });
  });

  it.each(['nope.test', '..%2f..%2fetc%2fpasswd', 'a%2ftest', '%00', 'x'.repeat(300)])(
    'has no %s',
    async (zone) => {
      await start();
      const response = await ask('GET', `/v1/zones/${zone}`);
      expect([400, 404]).toContain(response.statusCode);
      expect(['not_found', 'invalid_name', 'bad_request', 'invalid_request']).toContain(response.json().code);
    },
  );
});

describe('PUT /v1/zones/:zone', () => {
  it('makes a zone from JSON and from YAML', async () => {
    await start();
    const made = await ask('PUT', '/v1/zones/b.test?message=new', {
      headers: { 'if-none-match': '*' },
      payload: NEW_ZONE,
    });
    expect(made.statusCode).toBe(201);
    expect(made.json()).toMatchObject({
      zone: 'b.test',
      file: 'b.test.yaml',
      revision: 1,
      published: true,
      created: true,
    });
    expect(made.headers['etag']).toBe(made.json().etag);
    expect(rig.book.get(1)).toMatchObject({ author: 'zones', message: 'new' });
    const text = (await rig.text('b.test.yaml')).replace('192.0.2.1', '192.0.2.7');
    const put = await ask('PUT', '/v1/zones/b.test', {
      headers: {
        'if-match': String(made.headers['etag']),
        'content-type': 'application/yaml',
        'meridian-message': 'better',
      },
      payload: `# by hand\n${text}`,
    });
    expect(put.json()).toMatchObject({
      revision: 2,
      etag: etagOf(`# by hand\n${text}`),
      changes: [
        {
          kind: 'changed',
          what: 'record',
          name: 'www.b.test.',
          type: 'A',
          before: ['192.0.2.1'],
          after: ['192.0.2.7'],
        },
      ],
      changes_total: 1,
    });
    expect(rig.book.get(2)).toMatchObject({ message: 'better' });
  });

  it.each<[string, Record<string, string>, number, string]>([
    ['no precondition', {}, 428, 'precondition_required'],
    ['an older version', { 'if-match': '"0000000000000000"' }, 412, 'precondition_failed'],
    ['a weak ETag', { 'if-match': `W/${etagOf(ZONE)}` }, 412, 'precondition_failed'],
    ['a new zone that is there', { 'if-none-match': '*' }, 412, 'precondition_failed'],
    ['an ETag without quotes', { 'if-match': 'abc' }, 400, 'invalid_request'],
    ['both', { 'if-match': '*', 'if-none-match': '*' }, 400, 'invalid_request'],
  ])('refuses %s', async (_, headers, status, code) => {
    await start();
    const response = await ask('PUT', '/v1/zones/a.test', { headers, payload: NEW_ZONE });
    expect([response.statusCode, response.json().code]).toEqual([status, code]);
    if (status === 412) {
      expect(response.json()).toMatchObject({ actual: etagOf(ZONE), file: 'a.test.yaml' });
      expect(response.json()).toHaveProperty('expected');
      expect(response.headers['etag']).toBe(etagOf(ZONE));
    }
    expect(await rig.text('a.test.yaml')).toBe(ZONE);
  });

  it('takes one ETag of several', async () => {
    await start();
    const headers = { 'if-match': `"older", ${etagOf(ZONE)}` };
    expect((await ask('PATCH', '/v1/zones/a.test', { headers, payload: { ttl: 60 } })).statusCode).toBe(200);
  });

  it('lists every mistake with its place', async () => {
    await start();
    const response = await ask('PUT', '/v1/zones/a.test', {
      headers: { ...ANY, 'content-type': 'application/yaml' },
      payload: `${ZONE}  x: { tpye: A }\n  y: { type: A, value: 1.2.3 }\n`,
    });
    expect(response.statusCode).toBe(422);
    expect(response.json()).toMatchObject({
      code: 'invalid_zones',
      problems: expect.arrayContaining([
        expect.objectContaining({
          file: 'a.test.yaml',
          line: 15,
          column: expect.any(Number),
          path: 'records.x.tpye',
          message: expect.stringContaining('did you mean type?'),
        }),
        expect.objectContaining({ line: 16, path: 'records.y.value' }),
      ]),
    });
  });

  it.each<[string, Record<string, string>, string | Buffer, number]>([
    ['no UTF-8', { 'content-type': 'application/yaml' }, Buffer.from([0x7a, 0xff]), 400],
    ['another type', { 'content-type': 'text/csv' }, 'a,b', 415],
    ['no JSON', { 'content-type': 'application/json' }, '{', 400],
    ['a list', { 'content-type': 'application/json' }, '[]', 400],
  ])('refuses %s', async (_, headers, payload, status) => {
    await start();
    const response = await ask('PUT', '/v1/zones/a.test', { headers: { ...ANY, ...headers }, payload });
    expect(response.statusCode).toBe(status);
    expect(response.headers['content-type']).toContain('application/problem+json');
  });
});

describe('records', () => {
  it('lists them page by page, by name and by type', async () => {
    await start();
    const first = await ask('GET', '/v1/zones/a.test/records?limit=2');
    expect(first.json()).toMatchObject({
      total: 3,
      etag: etagOf(ZONE),
      records: [{ name: 'a.test.', types: 'MX' }, { name: 'www.a.test.' }],
    });
    expect(first.headers['link']).toContain('rel="next"');
    const second = await ask('GET', `/v1/zones/a.test/records?limit=2&cursor=${first.json().next}`);
    expect(second.json()).toMatchObject({
      records: [{ name: 'txt.a.test.', types: 'TXT', record: { type: 'TXT', value: 'one' } }],
    });
    expect(second.json()).not.toHaveProperty('next');
    expect((await ask('GET', '/v1/zones/a.test/records?name=@')).json()).toMatchObject({ total: 1 });
    expect((await ask('GET', '/v1/zones/a.test/records?type=txt')).json()).toMatchObject({ total: 1 });
    expect((await ask('GET', '/v1/zones/a.test/records?cursor=zzz')).json()).toMatchObject({
      code: 'invalid_cursor',
    });
    expect((await ask('GET', '/v1/zones/a.test/records?nmae=x')).json()).toMatchObject({
      code: 'invalid_request',
    });
  });

  it('shows one, and all of a name', async () => {
    await start();
    expect((await ask('GET', '/v1/zones/a.test/records/txt/TXT')).json()).toEqual({
      zone: 'a.test',
      etag: etagOf(ZONE),
      name: 'txt.a.test.',
      types: 'TXT',
      record: { type: 'TXT', value: 'one' },
    });
    expect((await ask('GET', '/v1/zones/a.test/records/www')).json()).toMatchObject({ total: 1 });
    expect((await ask('GET', '/v1/zones/a.test/records/www/MX')).statusCode).toBe(404);
    expect((await ask('GET', '/v1/zones/a.test/records/none')).statusCode).toBe(404);
    expect((await ask('GET', '/v1/zones/a.test/records/a..b')).json()).toMatchObject({
      code: 'invalid_name',
    });
  });

  it('are made, changed and deleted in place', async () => {
    await start();
    const made = await ask('PUT', '/v1/zones/a.test/records/new/a', {
      headers: { 'if-match': etagOf(ZONE) },
      payload: { value: '192.0.2.9' },
    });
    expect([made.statusCode, made.json().created]).toEqual([201, true]);
    const text = `${ZONE}  new: { type: A, value: 192.0.2.9 }\n`;
    expect(await rig.text('a.test.yaml')).toBe(text);
    expect(made.headers['etag']).toBe(etagOf(text));
    const patched = await ask('PATCH', '/v1/zones/a.test/records/new/A', {
      headers: { 'if-match': etagOf(text) },
      payload: { ttl: 5 },
    });
    expect(patched.json()).toMatchObject({
      changes: [{ kind: 'changed', before: ['ttl 30'], after: ['ttl 5'] }],
    });
    const gone = await ask('DELETE', '/v1/zones/a.test/records/new', { headers: ANY });
    expect(gone.json()).toMatchObject({ changes: [{ kind: 'removed', name: 'new.a.test.' }], revision: 3 });
    expect(await rig.text('a.test.yaml')).toBe(ZONE);
  });

  it('are tried without being changed', async () => {
    await start();
    const response = await ask('DELETE', '/v1/zones/a.test/records/txt/TXT?dry_run=true', { headers: ANY });
    expect(response.json()).toMatchObject({
      dry_run: true,
      etag: etagOf(ZONE),
      changes: [{ kind: 'removed' }],
    });
    expect(await rig.text('a.test.yaml')).toBe(ZONE);
  });

  it('are all replaced by PUT of a name', async () => {
    await start();
    const records = [
      { type: 'TXT', value: 'two' },
      { type: 'A', value: '192.0.2.3' },
    ];
    await ask('PUT', '/v1/zones/a.test/records/txt', { headers: ANY, payload: { records } });
    expect((await ask('GET', '/v1/zones/a.test/records/txt')).json()).toMatchObject({ total: 2 });
  });

  it('go to a new zone only when it is there', async () => {
    await start();
    const response = await ask('PUT', '/v1/zones/none.test/records/x/A', {
      headers: ANY,
      payload: { value: '192.0.2.1' },
    });
    expect([response.statusCode, response.json().code]).toEqual([404, 'not_found']);
  });
});

describe('pools, endpoints, monitors, regions', () => {
  it('are shown', async () => {
    await start();
    expect((await ask('GET', '/v1/zones/a.test/pools')).json()).toMatchObject({
      pools: { eu: { endpoints: [{ A: '192.0.2.1' }, {}] } },
    });
    expect((await ask('GET', '/v1/zones/a.test/monitors/web')).json()).toMatchObject({
      name: 'web',
      value: { type: 'tcp', port: 80 },
    });
    expect((await ask('GET', '/v1/zones/a.test/monitors/none')).statusCode).toBe(404);
    expect((await ask('GET', '/v1/zones/a.test/monitors/__proto__')).statusCode).toBe(404);
    expect((await ask('GET', '/v1/zones/a.test/regions')).json()).toMatchObject({ regions: {} });
  });

  it('changes the weight of one endpoint, and nothing else of the file', async () => {
    await start();
    const response = await ask('PATCH', '/v1/zones/a.test/pools/eu/endpoints/192.0.2.1', {
      headers: ANY,
      payload: { weight: 9, status: 'down' },
    });
    expect(response.statusCode).toBe(200);
    expect(await rig.text('a.test.yaml')).toBe(ZONE.replace('weight: 3 }', 'weight: 9, status: down }'));
    expect(response.json()).toMatchObject({ changes: [{ what: 'pool', name: 'eu' }] });
  });

  it('does not take away what is in use', async () => {
    await start();
    const response = await ask('DELETE', '/v1/zones/a.test/pools/eu', { headers: ANY });
    expect(response.json()).toMatchObject({
      code: 'invalid_zones',
      problems: [{ path: expect.stringContaining('records.www'), message: expect.stringContaining('eu') }],
    });
    expect(await rig.text('a.test.yaml')).toBe(ZONE);
  });

  it('makes a pool, a monitor and a region', async () => {
    await start();
    for (const [path, payload] of [
      ['pools/us', { endpoints: [{ A: '198.51.100.1' }], monitor: 'web' }],
      ['monitors/deep', { type: 'http', path: '/deep' }],
      ['regions/eu-west', { location: [53, -6] }],
      ['calculated/both', { all: ['web', 'deep'] }],
    ] as const) {
      const response = await ask('PUT', `/v1/zones/a.test/${path}`, { headers: ANY, payload });
      expect([path, response.statusCode]).toEqual([path, 201]);
    }
  });
});

describe('who may, and what the disk says', () => {
  it.each([
    ['read', 403],
    ['operate', 403],
    ['report', 403],
    ['zones', 200],
    ['admin', 200],
  ])('%s gets %i', async (token, status) => {
    await start();
    const response = await ask('PATCH', '/v1/zones/a.test', { token, headers: ANY, payload: { ttl: 60 } });
    expect(response.statusCode).toBe(status);
  });

  it.each([
    ['ENOSPC', 507, 'storage_full'],
    ['EROFS', 503, 'read_only'],
    ['EIO', 503, 'storage_failed'],
  ])('says %s as %i %s', async (errno, status, code) => {
    await start();
    rig.disk.open = (async (path: string, flags: string, mode: number) => {
      if (path.includes('meridian-new')) throw diskError(errno);
      return system.open(path, flags, mode);
    }) as typeof system.open;
    const response = await ask('PATCH', '/v1/zones/a.test', { headers: ANY, payload: { ttl: 60 } });
    expect([response.statusCode, response.json().code]).toEqual([status, code]);
    expect(response.json().detail).toContain('nothing was changed');
    expect(await rig.text('a.test.yaml')).toBe(ZONE);
  });

  it('refuses with gitops', async () => {
    await start({ refuse: () => 'mode: gitops' });
    const response = await ask('DELETE', '/v1/zones/a.test', { headers: ANY });
    expect([response.statusCode, response.json().code]).toEqual([403, 'gitops']);
  });

  it('says that a file was deleted by hand', async () => {
    await start();
    await system.rm(`${rig.folder}/a.test.yaml`);
    const response = await ask('PATCH', '/v1/zones/a.test', {
      headers: { 'if-match': etagOf(ZONE) },
      payload: { ttl: 60 },
    });
    expect([response.statusCode, response.json().code]).toEqual([404, 'not_found']);
    const put = await ask('PUT', '/v1/zones/a.test', {
      headers: { 'if-none-match': '*', 'content-type': 'application/yaml' },
      payload: ZONE,
    });
    expect(put.statusCode).toBe(201);
  });
});

describe('a file with the name of one zone and the content of another', () => {
  it('is not the file of the zone that it is called after', async () => {
    rig = await zoneRig({ 'odd.test.yaml': ZONE });
    api = await apiOn(rig, { modules: { editor: rig.editor } });
    const any = { 'if-match': '*' };
    for (const method of ['GET', 'DELETE'] as const) {
      expect((await ask(method, '/v1/zones/odd.test', { headers: any })).statusCode).toBe(404);
    }
    const none = { 'if-none-match': '*' };
    const put = await ask('PUT', '/v1/zones/odd.test', {
      headers: none,
      payload: { ...NEW_ZONE, soa: { contact: 'hostmaster.odd.test' } },
    });
    expect([put.statusCode, put.json().file]).toEqual([
      201,
      expect.stringMatching(/^odd\.test-[0-9a-f]{8}\.yaml$/),
    ]);
    expect(await rig.text('odd.test.yaml')).toBe(ZONE);
    expect(rig.control.zones.map(({ origin }) => origin).sort()).toEqual(['a.test.', 'odd.test.']);
  });
});
