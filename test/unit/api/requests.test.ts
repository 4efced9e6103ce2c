import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rawProblem } from '../../../src/api/problem.js';
import { PROBLEM_KINDS } from '../../../src/api/problem-codes.js';
import { requestIdOf } from '../../../src/api/request-id.js';
import type { Api } from '../../../src/api/server.js';
import { apiOn, type ControlRig, controlRig } from '../../support/control-rig.js';

let rig: ControlRig;
let api: Api;
beforeAll(async () => {
  rig = controlRig();
  api = await apiOn(rig);
});
afterAll(async () => {
  await api.close();
  rig.close();
});

const as = (token: string, more: Record<string, string> = {}) => ({
  authorization: `Bearer ${token}`,
  ...more,
});

describe('unknown keys', () => {
  it.each([
    ['/v1/zones?limt=5', 'query.limt', 'did you mean limit?'],
    ['/v1/explain?nam=www.test', 'query.nam', 'did you mean name?'],
    ['/v1/health?stat=up', 'query.stat', 'did you mean state?'],
    ['/v1/events?typs=health', 'query.typs', 'did you mean types?'],
    ['/v1/events?types=helth', 'query.types', 'did you mean health?'],
    ['/v1/status?verbose=1', 'query.verbose', 'no parameter'],
  ])('%s: a parameter is refused, and the nearest one is named', async (url, path, hint) => {
    const response = await api.inject({ url, headers: as('read') });
    expect(response.statusCode).toBe(400);
    const { code, problems } = response.json() as {
      code: string;
      problems: { path: string; message: string }[];
    };
    expect(code).toBe('invalid_request');
    const problem = problems.find((one) => one.path === path);
    expect(problem?.message).toContain(hint);
  });

  it('of a body are refused, every one, with the place', async () => {
    const payload = { nam: 'ci', role: 'zone', expire: '90d', zones: ['example.com', 5] };
    const response = await api.inject({ method: 'POST', url: '/v1/tokens', headers: as('admin'), payload });
    const { detail, problems } = response.json() as {
      detail: string;
      problems: { path: string; message: string }[];
    };
    expect(response.statusCode).toBe(400);
    expect(Object.fromEntries(problems.map(({ path, message }) => [path, message]))).toEqual({
      body: expect.stringContaining('"name" is missing'),
      'body.nam': expect.stringContaining('did you mean name?'),
      'body.role': expect.stringContaining('did you mean zones?'),
      'body.expire': expect.stringContaining('did you mean expires?'),
      'body.zones[1]': expect.stringContaining('must be the name of a zone'),
    });
    expect(detail).toMatch(/\(and 4 more\)$/);
  });

  it('says that a body is missing', async () => {
    const response = await api.inject({ method: 'POST', url: '/v1/tokens', headers: as('admin') });
    expect(response.json()).toMatchObject({ status: 400, problems: [{ path: 'body' }] });
  });
});

describe('requestIdOf()', () => {
  it.each(['a', 'req-1', '8e03978e-40d5-43dd-bc93-6894a57f9324', 'x'.repeat(64)])('takes %s', (given) => {
    expect(requestIdOf({ headers: { 'x-request-id': given } })).toBe(given);
  });

  it.each([undefined, '', 'a b', 'a\nb', '-a', 'ä', 'x'.repeat(65), ['a', 'b'] as unknown as string])(
    'makes one in place of %j',
    (given) => {
      const made = requestIdOf({ headers: given === undefined ? {} : { 'x-request-id': given } });
      expect(made).toMatch(/^[0-9a-f-]{36}$/);
    },
  );
});

describe('a request id', () => {
  it.each(['/healthz', '/v1/status', '/nothing', '/v1/zones?x=1'])('comes back from %s', async (url) => {
    const response = await api.inject({ url, headers: as('read', { 'x-request-id': 'mine-1' }) });
    expect(response.headers['x-request-id']).toBe('mine-1');
    if (response.statusCode >= 400) expect(response.json()).toMatchObject({ request_id: 'mine-1' });
  });

  it('is in the problem of a wrong token', async () => {
    const response = await api.inject({
      url: '/v1/status',
      headers: as('nobody', { 'x-request-id': 'mine-2' }),
    });
    expect(response.json()).toMatchObject({ code: 'unauthorized', request_id: 'mine-2' });
    expect(response.headers['www-authenticate']).toBe('Bearer realm="meridian", error="invalid_token"');
  });
});

describe('rates', () => {
  it('are told in headers', async () => {
    const { headers } = await api.inject({ url: '/v1/status', headers: as('operate') });
    expect(headers['ratelimit-limit']).toBe('6000');
    expect(Number(headers['ratelimit-remaining'])).toBe(5999);
    expect(Number(headers['ratelimit-reset'])).toBeGreaterThan(0);
  });

  it('turn away an address with too many wrong tokens, by a time; right ones and other addresses still pass', async () => {
    let nowMs = 1_000_000;
    const limited = await apiOn(rig, { modules: { failuresPerMinute: 3, now: () => nowMs } });
    const ask = async (token: string, remoteAddress = '192.0.2.1') =>
      limited.inject({ url: '/v1/status', headers: as(token), remoteAddress });
    for (let i = 0; i < 3; i++) expect((await ask('wrong')).statusCode).toBe(401);
    const refused = await ask('wrong');
    expect(refused.json()).toMatchObject({ status: 429, code: 'rate_limited' });
    expect(refused.headers['retry-after']).toBe('60');
    expect((await ask('read')).statusCode).toBe(200);
    expect((await ask('wrong', '192.0.2.2')).statusCode).toBe(401);
    for (let i = 0; i < 3; i++) await ask('wrong', '2001:db8::1');
    expect((await ask('wrong', '2001:db8:0:0:ffff::2')).statusCode).toBe(429);
    expect((await ask('wrong', '2001:db8:0:1::2')).statusCode).toBe(401);
    nowMs += 60_000;
    expect((await ask('wrong')).statusCode).toBe(401);
    await limited.close();
  });

  it('are 429 with Retry-After when they are used up', async () => {
    const fresh = await apiOn(rig, { modules: { requestsPerMinute: 3 } });
    for (let i = 0; i < 3; i++) await fresh.inject({ url: '/v1/whoami', headers: as('read') });
    const response = await fresh.inject({ url: '/v1/whoami', headers: as('read') });
    expect(response.json()).toMatchObject({ status: 429, code: 'rate_limited' });
    expect(Number(response.headers['retry-after'])).toBeGreaterThan(0);
    expect((await fresh.inject({ url: '/v1/whoami', headers: as('admin') })).statusCode).toBe(200);
    await fresh.close();
  });
});

describe('rawProblem()', () => {
  it.each([
    ['HPE_HEADER_OVERFLOW', 'headers_too_large'],
    ['ERR_HTTP_REQUEST_TIMEOUT', 'too_slow'],
    ['HPE_INVALID_METHOD', 'bad_request'],
  ] as const)('answers %s with %s', (error, code) => {
    const [head, body] = rawProblem({ code: error }).split('\r\n\r\n');
    expect(head).toContain(`HTTP/1.1 ${PROBLEM_KINDS[code].status} `);
    expect(head).toContain(`Content-Length: ${Buffer.byteLength(body!)}`);
    expect(JSON.parse(body!)).toMatchObject({ code, status: PROBLEM_KINDS[code].status });
  });
});
