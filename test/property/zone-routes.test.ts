import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PROBLEM_KINDS } from '../../src/api/problem-codes.js';
import type { Api } from '../../src/api/server.js';
import { apiOn } from '../support/control-rig.js';
import { removeFolders } from '../support/folder.js';
import { type ZoneRig, zoneRig } from '../support/zone-rig.js';

const ZONE = `zone: a.test
nameservers: { ns1: { A: 192.0.2.53 } }
soa: { contact: hostmaster.a.test }
pools: { eu: { endpoints: [{ A: 192.0.2.1 }] } }
records:
  www: { type: A, dynamic: { steering: failover, pools: [eu] } }
`;

let rig: ZoneRig;
let api: Api;
beforeAll(async () => {
  rig = await zoneRig({ 'a.test.yaml': ZONE });
  api = await apiOn(rig, { modules: { editor: rig.editor } });
});
afterAll(async () => {
  rig.close();
  await api.close();
  removeFolders();
});

const part = fc.oneof(
  fc.constantFrom(
    'a.test',
    'www',
    '@',
    'A',
    'A,AAAA',
    'eu',
    '192.0.2.1',
    '..',
    '%2e%2e%2f',
    '%00',
    '__proto__',
    'constructor',
    '*',
    '\\.',
    'x'.repeat(70),
  ),
  fc.string({ unit: 'grapheme', maxLength: 20 }).map((text) => encodeURIComponent(text)),
);
const PATHS = [
  [],
  ['records'],
  ['records', ''],
  ['records', '', ''],
  ['pools'],
  ['pools', ''],
  ['monitors', ''],
  ['calculated', ''],
  ['regions', ''],
  ['pools', '', 'endpoints', ''],
];
const url = fc
  .tuple(part, fc.constantFrom(...PATHS), fc.array(part, { minLength: 4, maxLength: 4 }))
  .map(
    ([zone, path, names]) =>
      `/v1/zones/${[zone, ...path.map((one, i) => (one === '' ? names[i] : one))].join('/')}`,
  );
const body = fc.oneof(
  fc.jsonValue({ maxDepth: 4 }),
  fc.record(
    {
      type: fc.constantFrom('A', 'MX', ['A', 'AAAA'], 5, null),
      ttl: fc.constantFrom(5, -1, '5m', { min: 1 }, 1e99),
      value: fc.oneof(fc.constantFrom('192.0.2.9', '2001:db8::1', {}), fc.jsonValue({ maxDepth: 2 })),
      endpoints: fc.array(fc.record({ A: fc.constantFrom('192.0.2.7', 'x') }), { maxLength: 3 }),
      records: fc.oneof(fc.jsonValue({ maxDepth: 3 }), fc.constant([{ type: 'A', value: '192.0.2.3' }])),
      weight: fc.integer(),
    },
    { requiredKeys: [] },
  ),
);
const request = fc.record({
  method: fc.constantFrom('GET' as const, 'PUT' as const, 'PATCH' as const, 'DELETE' as const),
  url,
  query: fc.constantFrom(
    '',
    '?dry_run=true',
    '?message=x',
    '?limit=0',
    '?cursor=WzFd',
    '?format=yaml',
    '?nope=1',
    '?dry_run=perhaps',
  ),
  body,
  type: fc.constantFrom('application/json', 'application/yaml', 'application/merge-patch+json'),
  match: fc.constantFrom({ 'if-match': '*' }, { 'if-none-match': '*' }, { 'if-match': '"x"' }, {}),
});

describe('routes of zones', () => {
  it('answer anything without a failure of the server, and with a code that is known', async () => {
    await fc.assert(
      fc.asyncProperty(request, async ({ method, url: path, query, body: data, type, match }) => {
        const hasBody = method === 'PUT' || method === 'PATCH';
        const response = await api.inject({
          method,
          url: `${path}${query}`,
          headers: { authorization: 'Bearer zones', ...match, ...(hasBody && { 'content-type': type }) },
          ...(hasBody && { payload: JSON.stringify(data) }),
        });
        expect(response.statusCode, response.body).toBeLessThan(500);
        if (response.statusCode < 400) return;
        expect(response.headers['content-type']).toContain('application/problem+json');
        expect(Object.keys(PROBLEM_KINDS)).toContain(response.json().code);
        expect(response.json().status).toBe(response.statusCode);
      }),
      { numRuns: 300 },
    );
    // What was taken is good: nothing half-checked was written.
    await rig.reload();
    expect(rig.control.problems).toEqual([]);
  });
});
