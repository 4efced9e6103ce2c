import { describe, expect, it } from 'vitest';
import { loadProxyConfig } from '../../../src/sources/proxy-config.js';
import { formatProblem } from '../../../src/sources/yaml-document.js';

const POOLS = `pools:
  a: { endpoints: [ { address: "127.0.0.1:1" } ] }
  b: { endpoints: [ { address: "127.0.0.1:2" } ], proxy_protocol: v2 }
  c: { endpoints: [ { address: "127.0.0.1:3" } ], proxy_protocol: v1 }
`;

/** One listener, written after its address. */
function load(listener: string) {
  const text = `node: { name: p, region: r }\nlisteners:\n  - { listen: "127.0.0.1:53", ${listener} }\n${POOLS}`;
  return loadProxyConfig('proxy.yaml', text, { environment: {}, cores: 1, cwd: '/' });
}

function listenerOf(listener: string) {
  const result = load(listener);
  if ('problems' in result) throw new Error(result.problems.map(formatProblem).join('\n'));
  return result.config.listeners[0];
}

describe('listeners beyond HTTP and TCP', () => {
  it('reads UDP, with defaults', () => {
    expect(listenerOf('protocol: udp, pool: b')).toEqual({
      ...{ protocol: 'udp', listen: { host: '127.0.0.1', port: 53 }, pool: 'b' },
      ...{ idleMs: 30_000, flowsPerSource: 1000, answers: 0 },
    });
    expect(
      listenerOf('protocol: udp, pool: a, udp: { idle: 500ms, flows_per_source: 3, answers: 1 }'),
    ).toMatchObject({
      idleMs: 500,
      flowsPerSource: 3,
      answers: 1,
    });
  });

  it('reads TLS passthrough, names in lower case', () => {
    expect(
      listenerOf('protocol: tls_passthrough, sni: { WWW.Example.com: a, "*.example.com": b }, pool: c'),
    ).toEqual({
      ...{ protocol: 'tls_passthrough', listen: { host: '127.0.0.1', port: 53 }, fallback: 'c' },
      routes: [
        { name: 'www.example.com', pool: 'a' },
        { name: '*.example.com', pool: 'b' },
      ],
      headersFrom: [],
    });
    expect(listenerOf('protocol: tls_passthrough, pool: a')).toMatchObject({ routes: [], fallback: 'a' });
  });

  it('reads who has to send a PROXY header, and which version endpoints get', () => {
    const trusted = 'proxy_protocol: { trusted: [ 10.0.0.0/8, "2001:db8::1" ] }';
    for (const protocol of ['tcp', 'http', 'tls_passthrough']) {
      const listener = listenerOf(`protocol: ${protocol}, pool: a, ${trusted}`);
      expect(listener).toMatchObject({ headersFrom: [{ length: 8 }, { length: 128 }] });
    }
    const result = load('protocol: tcp, pool: a');
    const pools = 'config' in result ? result.config.pools : [];
    expect(pools.map(({ proxyProtocol }) => proxyProtocol)).toEqual([undefined, 'v2', 'v1']);
  });

  it('lets UDP and TCP have one address', () => {
    const text = `node: { name: p, region: r }
listeners:
  - { listen: "127.0.0.1:53", protocol: udp, pool: a }
  - { listen: "127.0.0.1:53", protocol: tcp, pool: a }
  - { listen: "127.0.0.1:53", protocol: udp, pool: a }
${POOLS}`;
    const result = loadProxyConfig('proxy.yaml', text, { environment: {}, cores: 1, cwd: '/' });
    expect('problems' in result ? result.problems.map(formatProblem) : []).toEqual([
      'proxy.yaml:5:15: listeners[2].listen: 127.0.0.1:53 is already listened on above',
    ]);
  });

  it.each([
    [
      'udp without a pool',
      'protocol: udp',
      ':3:5: listeners[0]: a listener with protocol udp needs the key pool',
    ],
    ['a pool that is not there', 'protocol: udp, pool: z', 'listeners[0].pool: there is no pool "z"'],
    [
      'an idle time that is too short',
      'protocol: udp, pool: a, udp: { idle: 1ms }',
      'listeners[0].udp.idle: must be from 10ms to 24h',
    ],
    [
      'a version that UDP has not',
      'protocol: udp, pool: c',
      'pools.c.proxy_protocol: must be v2 for a pool of a listener with protocol udp',
    ],
    [
      'a header for HTTP endpoints',
      'protocol: http, pool: b',
      'pools.b.proxy_protocol: is not for pools of a listener with protocol http',
    ],
    ['passthrough to nowhere', 'protocol: tls_passthrough', 'needs the key sni, or pool'],
    [
      'a name that is none',
      'protocol: tls_passthrough, sni: { "a b": a }',
      'must be a host name such as www.example.com',
    ],
    [
      'a wildcard in the middle',
      'protocol: tls_passthrough, sni: { "a.*.b": a }',
      'must be a host name such as www.example.com',
    ],
    [
      'a name twice',
      'protocol: tls_passthrough, sni: { a.test: a, A.test: b }',
      'the same name is already there',
    ],
    [
      'a name to a pool that is not there',
      'protocol: tls_passthrough, sni: { a.test: z }',
      'there is no pool "z"',
    ],
    [
      'a prefix that is none',
      'protocol: tcp, pool: a, proxy_protocol: { trusted: [ here ] }',
      'proxy_protocol.trusted[0]: must be a prefix',
    ],
    [
      'nobody who is trusted',
      'protocol: tcp, pool: a, proxy_protocol: { trusted: [] }',
      'proxy_protocol.trusted',
    ],
    [
      'names for TCP',
      'protocol: tcp, pool: a, sni: { a.test: a }',
      'listeners[0].sni: sni is only for protocol tls_passthrough',
    ],
    ['flows for HTTP', 'protocol: http, pool: a, udp: {}', 'listeners[0].udp: udp is only for protocol udp'],
    [
      'PROXY headers into UDP',
      'protocol: udp, pool: a, proxy_protocol: { trusted: [ 10.0.0.0/8 ] }',
      'proxy_protocol is only for protocol http, tcp, tls_passthrough',
    ],
    [
      'routes of HTTP',
      'protocol: tls_passthrough, pool: a, routes: [ { pool: a } ]',
      'routes is only for protocol http',
    ],
    ['an unknown version', 'protocol: quic, pool: a', 'listeners[0].protocol'],
  ])('says what is wrong with %s', (_, listener, message) => {
    const result = load(listener);
    const problems = 'problems' in result ? result.problems.map(formatProblem) : [];
    expect(problems.join('\n')).toContain(message);
    expect(problems[0]).toMatch(/^proxy\.yaml:\d+:\d+: /);
  });
});
