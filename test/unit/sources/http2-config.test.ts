import { describe, expect, it } from 'vitest';
import { loadProxyConfig } from '../../../src/sources/proxy-config.js';
import { formatProblem } from '../../../src/sources/yaml-document.js';

function load(listener: string, pool: string) {
  const text = `node: { name: p1, region: r1 }
listeners: [ { listen: "127.0.0.1:8080", ${listener} } ]
pools: { web: { endpoints: [ { address: "127.0.0.1:9" } ], ${pool} } }
`;
  return loadProxyConfig('proxy.yaml', text, { environment: {}, cores: 1, cwd: '/' });
}

describe('HTTP/2 in proxy.yaml', () => {
  it.each([
    ['protocol: http, pool: web', '', undefined, undefined],
    ['protocol: http, pool: web, http2: on', 'protocol: h2c', true, 'h2c'],
    ['protocol: http, routes: [ { pool: web } ], http2: on', 'protocol: grpc', true, 'grpc'],
    ['protocol: http, pool: web, http2: off', 'protocol: h1', false, 'h1'],
    ['protocol: tcp, pool: web', 'protocol: h2', undefined, 'h2'],
  ])('takes %s with %s', (listener, pool, http2, protocol) => {
    const loaded = load(listener, pool);
    if ('problems' in loaded) throw new Error(loaded.problems.map(formatProblem).join('\n'));
    const [first] = loaded.config.listeners;
    expect(first !== undefined && 'http2' in first ? first.http2 : undefined).toBe(http2);
    expect(loaded.config.pools[0]?.protocol).toBe(protocol);
  });

  it.each([
    [
      'protocol: tcp, pool: web, http2: on',
      '',
      /2:\d+: listeners\[0\]\.http2: http2 is only for protocol http/,
    ],
    ['protocol: http, pool: web, http2: yes', '', /2:\d+: listeners\[0\]\.http2: .*on/],
    ['protocol: http, pool: web', 'protocol: h3', /3:\d+: pools\.web\.protocol: /],
    [
      'protocol: http, pool: web',
      'protocol: h2c',
      /pool "web" has protocol h2c: the listener needs http2: on/,
    ],
    [
      'protocol: http, http2: off, routes: [ { pool: web } ]',
      'protocol: grpc',
      /routes\[0\]\.pool: pool "web"/,
    ],
  ])('refuses %s with %s', (listener, pool, message) => {
    const loaded = load(listener, pool);
    const problems = 'problems' in loaded ? loaded.problems.map(formatProblem).join('\n') : '';
    expect(problems).toMatch(message);
  });
});
