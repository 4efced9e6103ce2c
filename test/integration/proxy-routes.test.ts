import { afterEach, expect, it } from 'vitest';
import type { RouteModel } from '../../src/core/http/route.js';
import { PATTERN_TEXT_MAX } from '../../src/core/http/route-match.js';
import { backend, client, endAll, exchange, httpBackend, inBothTiers, ok, startRig } from './proxy-rig.js';

afterEach(endAll);

const ALL = { pathPrefix: '/' };
const NOTHING = { set: [], add: [], remove: [] };

/** A backend that answers with the head that it got, and a proxy before it. */
async function rigOf(routes: readonly RouteModel[], extra = ''): Promise<number> {
  const port = await httpBackend((head) => ok(head, extra));
  return (await startRig({ ports: [port], routes })).port;
}

function get(path: string, more = ''): string {
  return `GET ${path} HTTP/1.1\r\nHost: shop.example\r\n${more}Connection: close\r\n\r\n`;
}

inBothTiers('routes of the proxy', () => {
  it('sends an endpoint the rewritten path, host and fields, and a client the changed response', async () => {
    const port = await rigOf(
      [
        {
          match: { pathPrefix: '/api' },
          pool: 'web',
          rewrite: {
            path: { kind: 'prefix', from: '/api', to: '/v2' },
            host: 'in.example',
            fields: { set: [{ name: 'X-Region', value: 'eu' }], add: [], remove: ['Cookie'] },
          },
          response: { set: [{ name: 'Server', value: 'shop' }], add: [], remove: ['X-Powered-By'] },
        },
      ],
      'Server: secret\r\nX-Powered-By: y\r\n',
    );
    const text = await exchange(port, get('/api/../api/x?y=/api', 'Cookie: a=b\r\nX-Region: me\r\n'));
    const [head = '', seen = ''] = text.split('\r\n\r\n');
    expect(seen).toMatch(/^GET \/v2\/x\?y=\/api HTTP\/1.1\r\nHost: in\.example\r\n/);
    expect(seen).toContain('X-Region: eu');
    expect(seen).toContain('X-Forwarded-Host: shop.example');
    expect(seen).not.toMatch(/Cookie|X-Region: me/);
    expect(head).toContain('\r\nServer: shop');
    expect(head).not.toMatch(/secret|X-Powered-By/);
  });

  it('takes a body to the endpoint behind a rewritten head', async () => {
    const seen = await backend((socket) => {
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1');
        if (text.endsWith('hello')) socket.end(ok(text));
      });
    });
    const rewrite = { path: { kind: 'path', to: '/in' } } as const;
    const { port } = await startRig({ ports: [seen], routes: [{ match: ALL, pool: 'web', rewrite }] });
    const text = await exchange(port, `${get('/out', 'Content-Length: 5\r\n')}hello`);
    expect(text).toMatch(/\r\n\r\nGET \/in HTTP\/1\.1\r\n[\s\S]*\r\n\r\nhello$/);
  });

  it('answers redirects and fixed responses on a kept connection, in order', async () => {
    const port = await rigOf([
      {
        match: { ...ALL, pathExact: '/old' },
        redirect: { status: 301, scheme: 'https', keepQuery: true, fields: [] },
      },
      {
        match: { pathPrefix: '/no' },
        respond: { status: 403, body: 'no\n', type: 'text/plain', fields: [] },
      },
      { match: ALL, pool: 'web' },
    ]);
    const one = client(port);
    one.send('GET /old?a HTTP/1.1\r\nHost: h:8080\r\n\r\nHEAD /no HTTP/1.1\r\nHost: h\r\n\r\n');
    one.send('GET /no HTTP/1.1\r\nHost: h\r\n\r\nGET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n');
    const text = await one.untilEnd();
    expect(text.match(/^(?:HTTP\/1\.1 \d+|Location: .*)/gm)).toEqual([
      'HTTP/1.1 301',
      'Location: https://h/old?a',
      'HTTP/1.1 403',
      'HTTP/1.1 403',
      'HTTP/1.1 200',
    ]);
    expect(text).toContain('GET /last HTTP/1.1');
    expect(text.match(/\r\n\r\nno\n/g)).toHaveLength(1);
  });

  it('closes where the body of an answered request has not come', async () => {
    const port = await rigOf([
      { match: ALL, respond: { status: 200, body: 'fixed', type: 'text/plain', fields: [] } },
    ]);
    const text = await exchange(port, 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n');
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*Connection: close\r\n\r\nfixed$/);
  });

  it('answers 404 where no route takes the request, and 400 where a rewritten path is not valid', async () => {
    const path = { kind: 'pattern', pattern: '/cut/%2(.*)', to: '/%$1' } as const;
    const port = await rigOf([
      { match: { pathPrefix: '/cut' }, pool: 'web', rewrite: { path } },
      { match: { ...ALL, pathPattern: '/p/.*' }, pool: 'web' },
      { match: { ...ALL, methods: ['PUT'] }, pool: 'web', response: NOTHING },
    ]);
    expect(await exchange(port, get('/other'))).toMatch(/^HTTP\/1\.1 404 /);
    expect(await exchange(port, get('/cut/%2F'))).toMatch(/^HTTP\/1\.1 400 /);
    expect(await exchange(port, get('/p/x'))).toMatch(/^HTTP\/1\.1 200 /);
    expect(await exchange(port, get(`/p/${'x'.repeat(PATTERN_TEXT_MAX)}`))).toMatch(/^HTTP\/1\.1 404 /);
  });

  it('redirects no HTTP/1.0 client that did not say a host', async () => {
    const redirect = { status: 302, scheme: 'https', keepQuery: true, fields: [] } as const;
    const port = await rigOf([{ match: ALL, redirect }]);
    expect(await exchange(port, 'GET / HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
  });

  it('waits for a response as long as its route says', async () => {
    const silent = await httpBackend((head) => (head.startsWith('GET /slow') ? null : ok('quick')));
    const { port } = await startRig({
      ports: [silent],
      routes: [{ match: ALL, pool: 'web', responseMs: 100 }],
      timeouts: { responseMs: 30_000, clientIdleMs: 1_000 },
    });
    expect(await exchange(port, get('/slow'))).toMatch(/^HTTP\/1\.1 504 /);
    expect(await exchange(port, get('/'))).toMatch(/^HTTP\/1\.1 200 /);
  });
});
