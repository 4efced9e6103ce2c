import { afterEach, describe, expect, it } from 'vitest';
import type { HistoryModules } from '../../../src/api/routes/revisions.js';
import type { Api } from '../../../src/api/server.js';
import { DifferenceDesk } from '../../../src/control/difference-desk.js';
import type { ImpactSides } from '../../../src/control/impact-desk.js';
import type { PlanImpact } from '../../../src/control/plan-job.js';
import { isRefusal } from '../../../src/control/revision.js';
import { memoryRevisions } from '../../../src/control/revisions.js';
import { steeringOf } from '../../../src/control/rollback.js';
import type { WriteResult } from '../../../src/control/zone-write.js';
import { MemoryEntries } from '../../../src/store/memory-entries.js';
import { apiOn, type ControlRig, controlRig } from '../../support/control-rig.js';

function zone(name: string, address: string, ttl = 60): string {
  return `zone: ${name}
nameservers: { ns1: { A: 192.0.2.53 } }
soa: { contact: hostmaster.${name} }
records:
  www: { type: A, ttl: ${ttl}, value: ${address} }
`;
}

const open: { api: Api; rig: ControlRig }[] = [];
afterEach(async () => {
  for (const { api, rig } of open.splice(0)) {
    await api.close();
    rig.close();
  }
});

/** An API on a history of four changes, the third of which is one of steering. */
async function apiRig(more: Partial<HistoryModules> = {}) {
  const store = new MemoryEntries();
  const book = memoryRevisions({ now: () => Date.UTC(2026, 0, 1) }, undefined, store);
  const append = async (files: Record<string, string | null>, author = 'ann', message = '') => {
    const known = { 'a.yaml': 'a.test', 'b.yaml': 'b.test' };
    const result = await book.append({
      kind: 'zones',
      source: 'api',
      author,
      message,
      files: new Map(Object.entries(files)),
      zones: new Map(Object.entries(known)),
    });
    if (isRefusal(result)) throw new Error(result.detail);
    return result.id;
  };
  await append(
    { 'a.yaml': zone('a.test', '192.0.2.1'), 'b.yaml': zone('b.test', '192.0.2.2') },
    'ann',
    'begin',
  );
  await append({ 'a.yaml': zone('a.test', '192.0.2.9') }, 'bob', 'move www');
  const steer = (steering: unknown) =>
    book.append({ kind: 'steering', source: 'api', author: 'bob', message: '', steering });
  await steer({ dials: { eu: { percent: 50 } }, forces: {} });
  await append({ 'b.yaml': null });
  const written: Map<string, string | null>[] = [];
  const history: HistoryModules = {
    book,
    desk: new DifferenceDesk({}),
    mode: 'api',
    zones: {
      async write(changes, { author, message, head }): Promise<WriteResult> {
        written.push(new Map(changes));
        const result = await book.append({
          kind: 'zones',
          source: 'rollback',
          author,
          message,
          files: changes,
          ...(head !== undefined && { expectedOfKind: head }),
        });
        if (isRefusal(result)) throw new Error(result.detail);
        return { outcome: 'written', revision: result.id, etags: new Map(), published: true, zones: [] };
      },
    },
    steering: steeringOf(book),
    ...more,
  };
  const rig = controlRig();
  const api = await apiOn(rig, { modules: { history } });
  open.push({ api, rig });
  const ask = async (
    method: 'GET' | 'POST',
    url: string,
    headers: Record<string, string> = {},
    token = 'admin',
  ) => {
    const response = await api.inject({
      method,
      url,
      headers: { authorization: `Bearer ${token}`, ...headers },
    });
    const isJson = String(response.headers['content-type']).includes('json');
    return {
      status: response.statusCode,
      headers: response.headers,
      body: isJson ? response.json() : response.body,
    };
  };
  return { api, book, ask, written, store, append, steer };
}

const IMPACT = {
  compared: 2,
  changed: 1,
  v4: 0.5,
  v6: 0,
  unchecked: 0,
  placed: false,
  groups: [],
  groups_total: 0,
};

const FOUND: PlanImpact = {
  compared: 2,
  changed: 1,
  mean: { v4: 0.5, v6: 0 },
  unchecked: 0,
  isPlaced: false,
  groups: [],
  groupsTotal: 0,
  tookMs: 1,
};

const AT_HEAD = { 'if-match': '"r4"' };

describe('GET /v1/revisions', () => {
  it('lists changes, newest first, in pages, with the ETag of the newest', async () => {
    const { ask } = await apiRig();
    const { status, headers, body } = await ask('GET', '/v1/revisions?limit=2', {}, 'read');
    expect([status, headers['etag']]).toEqual([200, '"r4"']);
    expect(headers['link']).toBe('</v1/revisions?limit=2&cursor=WzNd>; rel="next"');
    const { body: rest } = await ask('GET', `/v1/revisions?limit=2&cursor=${body.next}`);
    expect(rest.revisions.map(({ id }: { id: number }) => id)).toEqual([2, 1]);
    expect([rest.total, rest.next]).toEqual([4, undefined]);
    expect(body).toEqual({
      head: 4,
      oldest: 1,
      total: 4,
      next: 'WzNd',
      revisions: [
        {
          id: 4,
          parent: 3,
          at: '2026-01-01T00:00:00.000Z',
          author: 'ann',
          message: '',
          kind: 'zones',
          source: 'api',
          files: [{ path: 'b.yaml', zone: 'b.test', change: 'removed' }],
          files_total: 1,
        },
        expect.objectContaining({ id: 3, kind: 'steering', files: [] }),
      ],
    });
  });

  it.each([
    ['before=3', [2, 1]],
    ['kind=steering', [3]],
    ['author=bob', [3, 2]],
    ['zone=A.test.', [2, 1]],
    ['zone=nowhere.test', []],
  ])('filters by %s', async (query, ids) => {
    const { ask } = await apiRig();
    const { body } = await ask('GET', `/v1/revisions?${query}`);
    expect(body.revisions.map(({ id }: { id: number }) => id)).toEqual(ids);
  });

  it.each(['limit=0', 'limit=1001', 'before=0', 'kind=dogs', 'author=', 'befor=1'])(
    'refuses %s',
    async (query) => {
      const { ask } = await apiRig();
      expect(await ask('GET', `/v1/revisions?${query}`)).toMatchObject({
        status: 400,
        body: { code: 'invalid_request' },
      });
    },
  );
});

describe('GET /v1/revisions/{id}/diff?impact=true', () => {
  async function withImpact(
    answer: PlanImpact | { code: 'plan_busy' | 'plan_timeout'; message: string } = FOUND,
  ) {
    const asked: ImpactSides[] = [];
    const impact = async (sides: ImpactSides) => {
      asked.push(sides);
      return answer;
    };
    return { asked, ...(await apiRig({ impact })) };
  }

  it('tells who gets another answer, from the texts that both revisions had', async () => {
    const { ask, asked } = await withImpact();
    const { status, body } = await ask('GET', '/v1/revisions/2/diff?impact=true', {}, 'read');
    expect([status, body.impact]).toEqual([200, IMPACT]);
    const [before, after] = [zone('a.test', '192.0.2.1'), zone('a.test', '192.0.2.9')];
    expect(asked).toEqual([{ files: [{ path: 'a.yaml', zone: 'a.test', before, after }] }]);
  });

  it('hands over both documents where steering differs, either way', async () => {
    const { ask, asked } = await withImpact();
    await ask('GET', '/v1/revisions/3/diff?impact=true');
    await ask('GET', '/v1/revisions/3/diff?to=2&impact=true');
    const dialled = { dials: { eu: { percent: 50 } }, forces: {} };
    const atMs = Date.UTC(2026, 0, 1);
    expect(asked).toEqual([
      { files: [], steering: { before: null, after: dialled, atMs } },
      { files: [], steering: { before: dialled, after: null, atMs } },
    ]);
  });

  it('asks nobody without `impact`', async () => {
    const { ask, asked } = await withImpact();
    const { body } = await ask('GET', '/v1/revisions/2/diff');
    await ask('GET', '/v1/revisions/2/diff?impact=false');
    expect([asked, body.impact]).toEqual([[], undefined]);
  });

  it.each([
    ['plan_busy', 503, 'busy'],
    ['plan_timeout', 503, 'plan_failed'],
  ] as const)('says why it can not: %s', async (code, status, problem) => {
    const { ask } = await withImpact({ code, message: 'why' });
    const response = await ask('GET', '/v1/revisions/2/diff?impact=true');
    expect(response).toMatchObject({ status, body: { code: problem, detail: 'why' } });
  });

  it('says so where the node can not tell it', async () => {
    const { ask } = await apiRig();
    const response = await ask('GET', '/v1/revisions/2/diff?impact=true');
    expect(response).toMatchObject({ status: 409, body: { code: 'unsupported' } });
  });
});

describe('GET /v1/revisions/{id}', () => {
  it('shows one, and the text of a file at that time', async () => {
    const { ask } = await apiRig();
    expect((await ask('GET', '/v1/revisions/2')).body).toMatchObject({
      id: 2,
      author: 'bob',
      message: 'move www',
    });
    const file = await ask('GET', '/v1/revisions/1/file?path=a.yaml');
    expect([file.status, file.body]).toEqual([200, zone('a.test', '192.0.2.1')]);
    expect(file.headers['content-type']).toBe('text/plain; charset=utf-8');
  });

  it.each([
    ['/v1/revisions/5', 404, 'there is no revision 5: kept are 1 to 4'],
    ['/v1/revisions/5/diff', 404, 'there is no revision 5'],
    ['/v1/revisions/1/diff?to=9', 404, 'there is no revision 9'],
    ['/v1/revisions/4/file?path=b.yaml', 404, 'there was no file b.yaml at revision 4'],
    ['/v1/revisions/5/file?path=b.yaml', 404, 'there is no revision 5'],
    ['/v1/revisions/0', 400, ''],
    ['/v1/revisions/x', 400, ''],
    ['/v1/revisions/1e99', 400, ''],
    ['/v1/revisions/-1/diff', 400, ''],
  ])('%s: %i', async (url, status, detail) => {
    const { ask } = await apiRig();
    const response = await ask('GET', url);
    expect(response).toMatchObject({ status, body: { detail: expect.stringContaining(detail) } });
  });
});

describe('GET /v1/revisions/{id}/diff', () => {
  it('says what a revision changed, record by record', async () => {
    const { ask } = await apiRig();
    const change = { kind: 'changed', what: 'record', name: 'www.a.test.', type: 'A' };
    expect((await ask('GET', '/v1/revisions/2/diff')).body).toEqual({
      from: 1,
      to: 2,
      zones: [
        {
          zone: 'a.test',
          file: 'a.yaml',
          kind: 'changed',
          total: 1,
          changes: [{ ...change, before: ['192.0.2.1'], after: ['192.0.2.9'] }],
        },
      ],
      total: 1,
      unread: [],
      steering: [],
    });
  });

  it('compares any two, zones and steering', async () => {
    const { ask } = await apiRig();
    const { body } = await ask('GET', '/v1/revisions/4/diff?to=1');
    expect(body.zones).toMatchObject([
      { zone: 'a.test', kind: 'changed', changes: [{ before: ['192.0.2.9'], after: ['192.0.2.1'] }] },
      { zone: 'b.test', kind: 'added' },
    ]);
    expect(body.steering).toEqual([{ path: 'dials.eu', before: { percent: 50 } }]);
    expect((await ask('GET', '/v1/revisions/1/diff')).body.zones).toMatchObject([
      { kind: 'added' },
      { kind: 'added' },
    ]);
  });

  it('says which files it can not compare, and why', async () => {
    const { ask, append } = await apiRig();
    await append({ 'a.yaml': 'zone: a.test\nbroken: 1\n' });
    const { body } = await ask('GET', '/v1/revisions/5/diff');
    expect(body).toMatchObject({
      zones: [],
      unread: [{ file: 'a.yaml', message: expect.stringContaining('a.yaml:') }],
    });
  });

  it('answers with a problem where the disk fails', async () => {
    const { ask, store } = await apiRig();
    store.read = () => ({ code: 'storage_io', detail: 'cannot read the journal: EIO' });
    for (const url of ['/v1/revisions/2/diff', '/v1/revisions/1/file?path=a.yaml', '/v1/revisions/3/diff']) {
      expect(await ask('GET', url)).toMatchObject({ status: 503, body: { code: 'storage_failed' } });
    }
  });
});

describe('POST /v1/revisions/{id}/rollback', () => {
  it('is not for a token of the zone that a file had, where the file has another zone by now', async () => {
    const { ask, api, book } = await apiRig();
    const { token } = (
      await api.inject({
        method: 'POST',
        url: '/v1/tokens',
        headers: { authorization: 'Bearer admin' },
        payload: { name: 'as', role: 'zones', zones: ['a.test'] },
      })
    ).json();
    const change = { kind: 'zones', source: 'api', author: 'ann', message: '' } as const;
    await book.append({
      ...change,
      files: new Map([['a.yaml', zone('c.test', '192.0.2.3')]]),
      zones: new Map([['a.yaml', 'c.test']]),
    });
    const headers = { 'if-match': '"r5"' };
    expect(await ask('POST', '/v1/revisions/4/rollback', headers, token)).toMatchObject({
      status: 403,
      body: { code: 'forbidden', detail: 'the token as may not change c.test' },
    });
    expect(book.head).toBe(5);
  });

  it('goes back by a new revision, and says what changed', async () => {
    const { ask, book, written } = await apiRig();
    const { status, headers, body } = await ask(
      'POST',
      '/v1/revisions/1/rollback?message=oops',
      AT_HEAD,
      'zones',
    );
    expect([status, headers['etag']]).toEqual([200, '"r5"']);
    expect(body).toMatchObject({ from: 4, to: 1, dry_run: false, revisions: [5], published: true, total: 5 });
    expect([...written[0]!]).toEqual([
      ['a.yaml', zone('a.test', '192.0.2.1')],
      ['b.yaml', zone('b.test', '192.0.2.2')],
    ]);
    expect(book.get(5)).toMatchObject({
      author: 'zones',
      message: 'oops',
      source: 'rollback',
      kind: 'zones',
    });
    // Steering stays.
    expect(book.steeringAt(5)).toEqual(book.steeringAt(4));
  });

  it('goes back in zones although the newest revision is one of steering', async () => {
    const { ask, steer } = await apiRig();
    await steer({ dials: {}, forces: {} });
    const { status, body } = await ask('POST', '/v1/revisions/1/rollback', { 'if-match': '"r5"' }, 'zones');
    expect([status, body]).toMatchObject([200, { from: 5, revisions: [6], steering: [] }]);
  });

  it('changes nothing in a dry run, which needs no If-Match', async () => {
    const { ask, book } = await apiRig({
      impact: async ({ files }) => ({ ...FOUND, compared: files.length }),
    });
    const { status, body } = await ask('POST', '/v1/revisions/1/rollback?dry_run=true');
    expect(status).toBe(200);
    expect(body).toMatchObject({ dry_run: true, revisions: [], impact: { ...IMPACT, compared: 2 } });
    expect(book.head).toBe(4);
  });

  it('rolls steering back by itself, or with zones', async () => {
    const { ask, book } = await apiRig();
    const steering = await ask('POST', '/v1/revisions/2/rollback?what=steering', AT_HEAD, 'operate');
    expect(steering.body).toMatchObject({
      revisions: [5],
      zones: [],
      steering: [{ path: 'dials.eu' }],
    });
    expect(book.steeringAt(5)).toEqual({ forces: {}, dials: {}, maintenance: {}, rollouts: {} });
    const all = await ask('POST', '/v1/revisions/4/rollback?what=all', { 'if-match': '*' });
    expect(all.body).toMatchObject({ revisions: [6], zones: [] });
    expect(book.steeringAt(6)).toEqual(book.steeringAt(4));
  });

  it('does nothing where everything is so already', async () => {
    const { ask, book } = await apiRig();
    const { status, body } = await ask('POST', '/v1/revisions/4/rollback?what=all', AT_HEAD);
    expect([status, body.revisions, book.head]).toEqual([200, [], 4]);
  });

  it.each<[string, string, Record<string, string>, string, number, string]>([
    ['without If-Match', '', {}, 'admin', 428, 'precondition_required'],
    ['made for another revision', '', { 'if-match': '"r3"' }, 'admin', 412, 'precondition_failed'],
    ['by a reader', '', AT_HEAD, 'read', 403, 'forbidden'],
    ['of zones by an operator', '', AT_HEAD, 'operate', 403, 'forbidden'],
    ['of steering with the role zones', '?what=steering', AT_HEAD, 'zones', 403, 'forbidden'],
    ['of all with the role zones', '?what=all', AT_HEAD, 'zones', 403, 'forbidden'],
    ['of something else', '?what=dogs', AT_HEAD, 'admin', 400, 'invalid_request'],
  ])('is refused %s', async (_, query, headers, token, status, code) => {
    const { ask, book } = await apiRig();
    expect(await ask('POST', `/v1/revisions/1/rollback${query}`, headers, token)).toMatchObject({
      status,
      body: { code },
    });
    expect(book.head).toBe(4);
  });

  it('is refused for zones in gitops mode, and not for steering', async () => {
    const { ask, book } = await apiRig({ mode: 'gitops' });
    expect(await ask('POST', '/v1/revisions/1/rollback', AT_HEAD)).toMatchObject({
      status: 403,
      body: { code: 'gitops', detail: expect.stringContaining('mode: gitops') },
    });
    expect(book.head).toBe(4);
    expect(await ask('POST', '/v1/revisions/1/rollback?what=steering', AT_HEAD)).toMatchObject({
      status: 200,
    });
  });

  it.each<[WriteResult, number, string]>([
    [{ outcome: 'failed', code: 'storage_full', message: 'full' }, 507, 'storage_full'],
    [{ outcome: 'failed', code: 'read_only', message: 'ro' }, 503, 'read_only'],
    [
      { outcome: 'problems', problems: [{ file: 'a', line: 1, column: 2, path: 'x', message: 'm' }] },
      422,
      'invalid_zones',
    ],
    [{ outcome: 'conflict', what: 'revision', message: 'm', expected: 4, actual: 5 }, 409, 'conflict'],
    [
      { outcome: 'conflict', what: 'file', message: 'm', expected: null, actual: '"x"', file: 'a' },
      409,
      'conflict',
    ],
  ])('says why zones were not written: %j', async (result, status, code) => {
    const { ask } = await apiRig({ zones: { write: async () => result } });
    expect(await ask('POST', '/v1/revisions/1/rollback', AT_HEAD)).toMatchObject({ status, body: { code } });
  });

  it('says that the history does not hold a text any more', async () => {
    const { ask, book } = await apiRig();
    const unkept = (version: string) =>
      book.append({
        kind: 'zones',
        source: 'file',
        author: 'file',
        message: '',
        unkept: new Map([['big.zone', version]]),
      });
    await unkept('one');
    await unkept('two');
    const { status, body } = await ask('POST', '/v1/revisions/5/rollback', { 'if-match': '*' });
    expect([status, body.code, body.files]).toEqual([409, 'not_kept', ['big.zone']]);
    const file = await ask('GET', '/v1/revisions/5/file?path=big.zone');
    expect([file.status, file.body.code]).toEqual([409, 'not_kept']);
  });
});
