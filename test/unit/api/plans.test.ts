import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Api } from '../../../src/api/server.js';
import type { PlanModules } from '../../../src/control/plans.js';
import { etagOf, type WriteResult } from '../../../src/control/zone-write.js';
import { apiOn, type ControlRig, controlRig } from '../../support/control-rig.js';
import { removeFolders, temporaryFolder } from '../../support/folder.js';
import { planBook } from '../../support/plan-rig.js';

const ZONE = `zone: a.test
nameservers: { ns1: { A: 192.0.2.53 } }
pools:
  eu: { endpoints: [{ A: 192.0.2.1 }] }
  us: { endpoints: [{ A: 192.0.2.2 }] }
records: { www: { type: A, dynamic: { rules: [{ geos: [EU], pool: eu }, { pool: us }] } } }
`;
const CHANGED = ZONE.replace('geos: [EU], pool: eu', 'geos: [EU], pool: us');

let rig: ControlRig;
let api: Api;
let zones = '';
let result: WriteResult;
let history: PlanModules['history'];
beforeEach(async () => {
  rig = controlRig();
  const root = temporaryFolder();
  zones = join(root, 'zones');
  mkdirSync(zones);
  writeFileSync(join(zones, 'a.yaml'), ZONE);
  await rig.load({ [join(zones, 'a.yaml')]: ZONE });
  result = {
    outcome: 'written',
    revision: 8,
    etags: new Map([['a.yaml', '"1"']]),
    published: true,
    zones: [],
  };
  history = { head: 7, headOf: () => 7, filesBetween: () => undefined };
  const plans = planBook(rig, zones, { writer: { write: async () => result }, history });
  api = await apiOn(rig, { modules: { plans } });
});
afterEach(async () => {
  await api.close();
  rig.close();
  removeFolders();
});

async function ask(method: 'GET' | 'POST', url: string, payload?: object, token = 'zones') {
  const headers = { authorization: `Bearer ${token}` };
  const { statusCode, json } = await api.inject({ method, url, headers, ...(payload && { payload }) });
  return { status: statusCode, body: json() };
}

describe('POST /v1/plan', () => {
  it('tells what a changed zone would do, and changes nothing', async () => {
    const { status, body } = await ask('POST', '/v1/plan', { text: CHANGED, message: 'to the us' }, 'read');
    expect(status).toBe(200);
    expect(body).toMatchObject({
      id: 'p1',
      state: 'ready',
      author: 'read',
      message: 'to the us',
      base: { revision: 7, files: { 'a.yaml': etagOf(ZONE) } },
      files: [{ file: 'a.yaml', kind: 'changed' }],
      zones: [
        {
          zone: 'a.test.',
          changes: [{ kind: 'changed', before: ['EU -> pool eu'], after: ['EU -> pool us'] }],
          changes_total: 1,
        },
      ],
      impact: { compared: 1, changed: 0, placed: false },
    });
    expect(readFileSync(join(zones, 'a.yaml'), 'utf8')).toBe(ZONE);
  });

  it('takes a zone as JSON, with places of mistakes', async () => {
    const document = {
      zone: 'b.test',
      nameservers: { ns1: { A: '192.0.2.53' } },
      records: { x: { type: 'A', value: 1 } },
    };
    const bad = await ask('POST', '/v1/plan', { document });
    expect(bad.body).toMatchObject({
      state: 'invalid',
      problems: [{ file: 'b.test.yaml', path: 'records.x.value' }],
    });
    document.records.x.value = '192.0.2.1' as unknown as number;
    const good = await ask('POST', '/v1/plan', { document });
    expect(good.body).toMatchObject({ state: 'ready', zones: [{ kind: 'added', file: 'b.test.yaml' }] });
  });

  it('takes a folder', async () => {
    const { body } = await ask('POST', '/v1/plan', { files: { 'a.yaml': ZONE }, complete: true });
    expect(body).toMatchObject({ state: 'empty', zones: [] });
    const gone = await ask('POST', '/v1/plan', { files: { 'a.yaml': null } });
    expect(gone.body).toMatchObject({ zones: [{ kind: 'removed' }], files: [{ kind: 'removed' }] });
  });

  it.each<[string, object, string]>([
    ['nothing', {}, 'needs exactly one of text, document, files, revision'],
    ['two things', { text: ZONE, revision: 1 }, 'it has text and revision'],
    ['a mistyped key', { txet: ZONE }, 'did you mean text?'],
    ['a name without a zone', { files: {}, name: 'a.yaml' }, 'is for text and document only'],
    ['complete without files', { text: ZONE, complete: true }, 'is for files only'],
    ['an empty folder in place of all zones', { files: {}, complete: true }, 'would remove every zone'],
    ['a revision below zero', { revision: -1 }, 'revision'],
  ])('refuses %s', async (_, payload, message) => {
    const { status, body } = await ask('POST', '/v1/plan', payload);
    expect([status, body.code]).toEqual([400, 'invalid_request']);
    expect(JSON.stringify(body)).toContain(message);
  });

  it('does not know revisions that are not kept', async () => {
    expect(await ask('POST', '/v1/plan', { revision: 99 })).toMatchObject({
      status: 404,
      body: { code: 'not_found' },
    });
  });

  it('refuses JSON that is nested without end', async () => {
    const payload = `{"document":${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}}`;
    const headers = { authorization: 'Bearer zones', 'content-type': 'application/json' };
    const { statusCode } = await api.inject({ method: 'POST', url: '/v1/plan', headers, payload });
    expect(statusCode).toBe(400);
  });

  it('refuses a body over 32 MiB', async () => {
    const { status, body } = await ask('POST', '/v1/plan', { text: 'x'.repeat(33 * 1024 * 1024) });
    expect([status, body.code]).toEqual([413, 'too_large']);
  });
});

describe('the plans', () => {
  it('are listed and shown, the newest first', async () => {
    await ask('POST', '/v1/plan', { text: CHANGED });
    await ask('POST', '/v1/plan', { text: ZONE });
    const { body } = await ask('GET', '/v1/plans?limit=1', undefined, 'read');
    expect(body).toMatchObject({ plans: [{ id: 'p2', state: 'empty' }], total: 2, next: expect.any(String) });
    const ready = await ask('GET', '/v1/plans?state=ready', undefined, 'read');
    expect(ready.body.plans).toHaveLength(1);
    expect((await ask('GET', '/v1/plans/p1')).body).toMatchObject({ id: 'p1', zones: [{ zone: 'a.test.' }] });
    expect(await ask('GET', '/v1/plans/p9')).toMatchObject({ status: 404, body: { code: 'not_found' } });
  });

  it('are applied by those who may change zones, once', async () => {
    await ask('POST', '/v1/plan', { text: CHANGED });
    expect(await ask('POST', '/v1/plans/p1/apply', undefined, 'read')).toMatchObject({ status: 403 });
    expect(await ask('POST', '/v1/plans/p1/apply?message=do%20it')).toMatchObject({
      status: 200,
      body: { id: 'p1', revision: 8, published: true, etags: { 'a.yaml': '"1"' } },
    });
    expect((await ask('GET', '/v1/plans/p1')).body).toMatchObject({
      state: 'applied',
      applied: { revision: 8 },
    });
    expect(await ask('POST', '/v1/plans/p1/apply')).toMatchObject({
      status: 409,
      body: { code: 'plan_applied' },
    });
  });

  it('are not applied by a token for other zones, whatever they do to the files', async () => {
    writeFileSync(join(zones, 'junk.yaml'), 'zone: [');
    const { token: secret } = (
      await ask('POST', '/v1/tokens', { name: 'bs', role: 'zones', zones: ['b.test'] }, 'admin')
    ).body;
    for (const files of [
      { 'a.yaml': CHANGED },
      { 'a.yaml': `${ZONE}# a word` },
      { 'a.yaml': null },
      { 'a.yaml': ZONE.replace('a.test', 'b.test') },
      { 'junk.yaml': null },
    ]) {
      const { body } = await ask('POST', '/v1/plan', { files }, secret);
      expect(body.state).toBe('ready');
      expect(await ask('POST', `/v1/plans/${body.id}/apply`, undefined, secret)).toMatchObject({
        status: 403,
        body: { code: 'forbidden' },
      });
    }
    const { body } = await ask('POST', '/v1/plan', { text: ZONE.replace('a.test', 'b.test') }, secret);
    expect(await ask('POST', `/v1/plans/${body.id}/apply`, undefined, secret)).toMatchObject({ status: 200 });
  });

  it.each<[number, string, WriteResult]>([
    [
      412,
      'precondition_failed',
      { outcome: 'conflict', what: 'file', message: 'm', expected: ['"1"'], actual: '"2"', file: 'a.yaml' },
    ],
    [409, 'conflict', { outcome: 'conflict', what: 'revision', message: 'm', expected: 7, actual: 9 }],
    [
      422,
      'invalid_zones',
      { outcome: 'problems', problems: [{ file: 'a', line: 1, column: 1, path: '', message: 'x' }] },
    ],
    [403, 'gitops', { outcome: 'failed', code: 'gitops', message: 'by files only' }],
    [507, 'storage_full', { outcome: 'failed', code: 'storage_full', message: 'full' }],
  ])('answer %i %s when they can not be applied', async (status, code, refused) => {
    await ask('POST', '/v1/plan', { text: CHANGED });
    result = refused;
    const { body, ...answer } = await ask('POST', '/v1/plans/p1/apply');
    expect([answer.status, body.code]).toEqual([status, code]);
    if (refused.outcome === 'conflict')
      expect(body).toMatchObject({ expected: refused.expected, actual: refused.actual });
    expect((await ask('GET', '/v1/plans/p1')).body.state).toBe('ready');
  });

  it('are not applied with mistakes', async () => {
    await ask('POST', '/v1/plan', { text: 'zone: a.test\n' });
    expect(await ask('POST', '/v1/plans/p1/apply')).toMatchObject({
      status: 409,
      body: { code: 'plan_invalid' },
    });
  });
});
