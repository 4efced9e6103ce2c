import { describe, expect, it } from 'vitest';
import { DEFAULT_COMPRESSION } from '../../../src/core/http/compression.js';
import { loadProxyConfig } from '../../../src/sources/proxy-config.js';

function load(listener: string) {
  const text = `node: { name: p, region: r }
listeners:
  - listen: "127.0.0.1:1"
    ${listener}
pools: { web: { endpoints: [ { address: "127.0.0.1:2" } ] } }
`;
  return loadProxyConfig('proxy.yaml', text, { environment: {}, cores: 1, cwd: '/srv' });
}

function listenerOf(listener: string) {
  const result = load(listener);
  if ('problems' in result) throw new Error(JSON.stringify(result.problems));
  return result.config.listeners[0]! as {
    compression?: unknown;
    routes: readonly { compression?: boolean }[];
  };
}

describe('compression of proxy.yaml', () => {
  it('is off by default, and has defaults', () => {
    expect(listenerOf('protocol: http\n    pool: web').compression).toBeUndefined();
    expect(listenerOf('protocol: http\n    pool: web\n    compression: {}').compression).toEqual(
      DEFAULT_COMPRESSION,
    );
  });

  it('takes every key, and routes that are left out', () => {
    const { compression, routes } = listenerOf(`protocol: http
    compression: { encodings: [ br ], types: [ text/*, application/*+json ], min_bytes: 0, effort: low }
    routes: [ { match: { path_prefix: /a }, pool: web, compression: off }, { pool: web, compression: on } ]`);
    expect(compression).toEqual({
      codings: ['br'],
      types: ['text/*', 'application/*+json'],
      minBytes: 0,
      effort: 'low',
    });
    expect(routes.map((route) => route.compression)).toEqual([false, undefined]);
  });

  it.each([
    ['protocol: tcp\n    pool: web\n    compression: {}', 6, 'compression is only for protocol http'],
    ['protocol: http\n    pool: web\n    compression: { encoding: [ gzip ] }', 6, 'encodings'],
    ['protocol: http\n    pool: web\n    compression: { encodings: [ deflate ] }', 6, 'gzip'],
    ['protocol: http\n    pool: web\n    compression: { encodings: [] }', 6, 'encodings'],
    [
      'protocol: http\n    pool: web\n    compression: { encodings: [ br, br ] }',
      6,
      'br is in this list already',
    ],
    [
      'protocol: http\n    pool: web\n    compression: { types: [ html ] }',
      6,
      'a media type such as text/html',
    ],
    [
      'protocol: http\n    pool: web\n    compression: { types: [ "*/*" ] }',
      6,
      'a media type such as text/html',
    ],
    ['protocol: http\n    pool: web\n    compression: { min_bytes: -1 }', 6, 'min_bytes'],
    ['protocol: http\n    pool: web\n    compression: { effort: 9 }', 6, 'low'],
    [
      'protocol: http\n    routes: [ { respond: { status: 200 }, compression: off } ]',
      5,
      'compression is only for routes to a pool',
    ],
  ])('refuses %j with its line', (listener, line, text) => {
    const result = load(listener);
    if (!('problems' in result)) throw new Error('it was taken');
    expect(result.problems).toHaveLength(1);
    expect(JSON.stringify(result.problems[0])).toContain(text);
    expect(result.problems[0]).toMatchObject({ line, column: expect.any(Number) });
  });
});
