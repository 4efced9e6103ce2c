import { describe, expect, it } from 'vitest';
import { fieldEdits } from '../../../../src/core/http/field-edits.js';
import { fixedReply } from '../../../../src/core/http/fixed-reply.js';
import type { Head } from '../../../../src/core/http/head.js';
import { judgeRequest, judgeResponse, type RequestFacts } from '../../../../src/core/http/hygiene.js';
import { EDITED_PATH_MAX, pathEditor } from '../../../../src/core/http/path-edit.js';
import { Redirector } from '../../../../src/core/http/redirect.js';
import { requestEdits, requestRewriter } from '../../../../src/core/http/request-rewrite.js';
import { writeRequestHead, writeResponseHead } from '../../../../src/core/http/rewrite.js';
import type {
  FixedResponse,
  PathEdit,
  Redirect,
  RequestRewrite,
} from '../../../../src/core/http/route-action.js';
import { PATTERN_TEXT_MAX } from '../../../../src/core/http/route-match.js';
import { compilePattern } from '../../../../src/proxy/pattern.js';
import { parseHead, textOf } from '../../../support/http-message.js';

function factsOf(request: string): { head: Head; facts: RequestFacts } {
  const head = parseHead('request', request) as Head;
  const facts = judgeRequest(head);
  if (!facts.ok) throw new Error(facts.message);
  return { head, facts };
}

describe('pathEditor()', () => {
  const prefix = (from: string, to: string): PathEdit => ({ kind: 'prefix', from, to });
  const pattern = (text: string, to: string): PathEdit => ({ kind: 'pattern', pattern: text, to });

  it.each([
    [prefix('/api', '/v2'), '/api', '/v2'],
    [prefix('/api', '/v2'), '/api/x', '/v2/x'],
    [prefix('/api', '/v2/'), '/api/x', '/v2/x'],
    [prefix('/api', '/v2/'), '/api', '/v2/'],
    [prefix('/api/', '/v2'), '/api/x', '/v2/x'],
    [prefix('/api/', '/'), '/api/x/', '/x/'],
    [prefix('/api', '/'), '/api', '/'],
    [prefix('/api', '/'), '/api/', '/'],
    [prefix('/', '/v2'), '/', '/v2'],
    [prefix('/', '/v2'), '/x', '/v2/x'],
    [prefix('/api', '/'), '/api//evil.example', '/evil.example'],
    [{ kind: 'path', to: '/new' } as const, '/any', '/new'],
    [pattern('/users/([0-9]+)/(.*)', '/u/$2/$1'), '/users/7/a/b', '/u/a/b/7'],
    [pattern('/users/([0-9]+)', '/u/$1'), '/users/7/a', '/users/7/a'],
    [pattern('/(a)?(.*)', '/$1-$2$$3$x'), '/b', '/-b$3$x'],
    [pattern('/(.*)', '/$1/../z'), '/a/b', '/a/z'],
    [pattern('/(.*)', '//$1'), '/evil.example', '/evil.example'],
    [pattern('/(.*)25(.*)', '/$1$2'), '/%252e%252e', '/%252e.'],
  ])('%j makes of %s: %s', (edit, path, expected) => {
    expect(pathEditor(edit, compilePattern)(path)).toBe(expected);
  });

  it.each([
    ['an escape that was cut', pattern('/%2(.*)', '/%$1'), '/%2F'],
    ['no slash at the start', pattern('/(.*)', '$1'), '/a'],
    [
      'a group that is too long together',
      pattern('/(.*)', '/$1$1$1$1$1$1$1$1'),
      `/${'a'.repeat(EDITED_PATH_MAX / 5)}`,
    ],
    ['a path that is too long for a pattern', pattern('/(.*)', '/'), `/${'a'.repeat(PATTERN_TEXT_MAX)}`],
  ])('makes nothing of %s', (_, edit, path) => {
    expect(pathEditor(edit, compilePattern)(path)).toBeNull();
  });
});

describe('writeRequestHead() with edits', () => {
  const CONTEXT = {
    clientAddress: '192.0.2.7',
    proto: 'http',
    trusted: false,
    via: 'm',
  } as const;

  function rewritten(request: string, rewrite: RequestRewrite): string[] {
    const { head, facts } = factsOf(request);
    const edits = requestEdits(requestRewriter(rewrite, compilePattern)!, facts.target);
    const out = new Uint8Array(4096);
    const length = writeRequestHead(out, head, facts, CONTEXT, 'p', edits);
    return textOf(out.subarray(0, length)).split('\r\n');
  }

  it('changes the path and keeps the query', () => {
    const rewrite = { path: { kind: 'prefix', from: '/api', to: '/' } } as const;
    expect(rewritten('GET /api/x?a=/api HTTP/1.1\r\nHost: h\r\n\r\n', rewrite)[0]).toBe(
      'GET /x?a=/api HTTP/1.1',
    );
    expect(rewritten('OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n', rewrite)[0]).toBe('OPTIONS * HTTP/1.1');
  });

  it('changes the Host, and still tells the endpoint which one was asked for', () => {
    const lines = rewritten('GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n', { host: 'in.example:81' });
    expect(lines.filter((line) => line.startsWith('Host'))).toEqual(['Host: in.example:81']);
    expect(lines).toContain('X-Forwarded-Host: shop.example');
    expect(lines).toContain('Forwarded: for=192.0.2.7;host=shop.example;proto=http');
  });

  it('sets, adds and removes fields in any letter case', () => {
    const fields = {
      set: [{ name: 'X-Set', value: 'new' }],
      add: [{ name: 'X-Add', value: 'more' }],
      remove: ['Cookie'],
    };
    const request =
      'GET / HTTP/1.1\r\nx-set: 1\r\nHost: h\r\nX-SET: 2\r\ncookie: a=b\r\nX-Add: one\r\nX-Sets: 3\r\nCookies: 4\r\n\r\n';
    expect(rewritten(request, { fields }).slice(0, 7)).toEqual([
      'GET / HTTP/1.1',
      'Host: h',
      'X-Add: one',
      'X-Sets: 3',
      'Cookies: 4',
      'X-Set: new',
      'X-Add: more',
    ]);
  });

  it('lets no Connection header take away what the route sets', () => {
    const fields = { set: [{ name: 'X-Auth', value: 'ok' }], add: [], remove: [] };
    const lines = rewritten('GET / HTTP/1.1\r\nHost: h\r\nX-Auth: me\r\nConnection: X-Auth\r\n\r\n', {
      fields,
    });
    expect(lines.filter((line) => /auth/i.test(line))).toEqual(['X-Auth: ok']);
  });

  it('has nothing to do for a route that changes nothing', () => {
    expect(requestRewriter({ fields: { set: [], add: [], remove: [] } }, compilePattern)).toBeNull();
  });
});

describe('writeResponseHead() with edits', () => {
  const edits = fieldEdits({
    set: [{ name: 'Server', value: 'none' }],
    add: [{ name: 'Vary', value: 'Cookie' }],
    remove: ['X-Powered-By'],
  });

  function passed(response: string): string {
    const head = parseHead('response', response) as Head;
    const facts = judgeResponse(head, factsOf('GET / HTTP/1.1\r\nHost: h\r\n\r\n').facts);
    if (!facts.ok) throw new Error(facts.message);
    const out = new Uint8Array(4096);
    const length = writeResponseHead(out, head, facts, { via: 'm', close: false, http10: false }, edits);
    return textOf(out.subarray(0, length));
  }

  it('changes the fields of the response', () => {
    expect(
      passed('HTTP/1.1 200 OK\r\nServer: x\r\nX-Powered-By: y\r\nVary: A\r\nContent-Length: 0\r\n\r\n'),
    ).toBe(
      'HTTP/1.1 200 OK\r\nVary: A\r\nContent-Length: 0\r\nServer: none\r\nVary: Cookie\r\nVia: 1.1 m\r\n\r\n',
    );
  });

  it('leaves interim responses alone', () => {
    expect(passed('HTTP/1.1 103 Early Hints\r\nServer: x\r\n\r\n')).toBe(
      'HTTP/1.1 103 Early Hints\r\nServer: x\r\nVia: 1.1 m\r\n\r\n',
    );
  });
});

describe('Redirector', () => {
  function locate(
    request: string,
    redirect: Partial<Redirect>,
    scheme: 'http' | 'https' = 'http',
  ): string | null {
    const whole = { status: 302, keepQuery: true, fields: [], ...redirect } as const;
    return new Redirector(whole, compilePattern).location(factsOf(request).facts, scheme);
  }
  const get = (target: string, host: string): string => `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;

  it.each<[string, string, Partial<Redirect>, string]>([
    ['the scheme', get('/a?b=c', 'h.example'), { scheme: 'https' }, 'https://h.example/a?b=c'],
    ['the port with the scheme', get('/', 'h:8080'), { scheme: 'https' }, 'https://h/'],
    ['a port', get('/', 'h:8080'), { scheme: 'https', port: 8443 }, 'https://h:8443/'],
    ['the usual port, unsaid', get('/', 'h:8080'), { scheme: 'https', port: 443 }, 'https://h/'],
    ['the port with the host', get('/', 'h:8080'), { host: 'new.example' }, 'http://new.example/'],
    [
      'the path, and keeps the port',
      get('/a', 'h:8080'),
      { path: { kind: 'path', to: '/b' } },
      'http://h:8080/b',
    ],
    ['a prefix', get('/a/x?q', 'h'), { path: { kind: 'prefix', from: '/a', to: '/b' } }, 'http://h/b/x?q'],
    [
      'by a pattern',
      get('/7', 'h'),
      { path: { kind: 'pattern', pattern: '/(.)', to: '/n/$1' } },
      'http://h/n/7',
    ],
    ['an address', get('/', '[::1]:80'), { port: 81 }, 'http://[::1]:81/'],
    [
      'nothing of the host in an absolute target',
      get('http://real/x', 'h'),
      { scheme: 'https' },
      'https://real/x',
    ],
  ])('changes %s', (_, request, redirect, expected) => {
    expect(locate(request, redirect)).toBe(expected);
  });

  it('drops the query if told so', () => {
    expect(locate(get('/a?b', 'h'), { scheme: 'https', keepQuery: false })).toBe('https://h/a');
  });

  it('leads nowhere if the client did not say a host', () => {
    expect(locate('GET /a HTTP/1.0\r\n\r\n', { scheme: 'https' })).toBeNull();
    expect(locate('GET /a HTTP/1.0\r\n\r\n', { scheme: 'https', host: 'h' })).toBe('https://h/a');
  });

  it('replies with the Location and a short text', () => {
    const redirect = {
      status: 308,
      scheme: 'https',
      keepQuery: true,
      fields: [{ name: 'Cache-Control', value: 'no-store' }],
    } as const;
    const reply = new Redirector(redirect, compilePattern).reply(factsOf(get('/', 'h')).facts, 'http');
    expect(textOf(reply!.bytes({ close: false, toHead: false }))).toBe(
      'HTTP/1.1 308 Permanent Redirect\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 15\r\n' +
        'Location: https://h/\r\nCache-Control: no-store\r\nConnection: keep-alive\r\n\r\n308 https://h/\n',
    );
  });
});

describe('fixedReply()', () => {
  const RESPONSE: FixedResponse = { status: 200, body: 'é\n', type: 'text/html', fields: [] };
  const bytes = (response: Partial<FixedResponse>, close = false, toHead = false): string =>
    textOf(fixedReply({ ...RESPONSE, ...response }).bytes({ close, toHead }));

  it('counts the bytes of the body, not its characters', () => {
    expect(bytes({})).toBe(
      'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n\xc3\xa9\n',
    );
  });

  it('sends HEAD the same without the body, and says that it closes', () => {
    expect(bytes({ status: 299 }, true, true)).toBe(
      'HTTP/1.1 299 Status\r\nContent-Type: text/html\r\nContent-Length: 3\r\nConnection: close\r\n\r\n',
    );
  });

  it.each([
    [204, 'HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n'],
    [205, 'HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n'],
    [304, 'HTTP/1.1 304 Not Modified\r\nConnection: keep-alive\r\n\r\n'],
  ])('gives %i no body', (status, expected) => {
    expect(bytes({ status, body: '' })).toBe(expected);
  });

  it('makes the bytes once', () => {
    const reply = fixedReply(RESPONSE);
    expect(reply.bytes({ close: true, toHead: false })).toBe(reply.bytes({ close: true, toHead: false }));
  });
});
