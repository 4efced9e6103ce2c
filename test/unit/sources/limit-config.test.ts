import { describe, expect, it } from 'vitest';
import { loadProxyConfig } from '../../../src/sources/proxy-config.js';
import { formatProblem } from '../../../src/sources/yaml-document.js';

function load(text: string) {
  return loadProxyConfig('etc/proxy.yaml', text, { environment: {}, cores: 2, cwd: '/srv' });
}

function configOf(text: string) {
  const result = load(text);
  if ('problems' in result) throw new Error(result.problems.map(formatProblem).join('\n'));
  return result.config;
}

function problemsOf(text: string): readonly string[] {
  const result = load(text);
  return 'problems' in result ? result.problems.map(formatProblem) : [];
}

/** Two lines of top-level keys, then one listener with a route. */
const file = (top: string, listener = '', route = '', protocol = 'http') => `node: { name: p1, region: r1 }
${top}
listeners:
  - listen: "127.0.0.1:80"
    protocol: ${protocol}
${listener === '' ? '' : `    ${listener}\n`}${
  protocol === 'http' ? `    routes: [ { pool: web${route === '' ? '' : `, ${route}`} } ]` : '    pool: web'
}
pools: { web: { endpoints: [ { address: "127.0.0.1:9000" } ] } }
`;

describe('rate_limits', () => {
  it('fills in defaults, and hands the limit to whom it is named by', () => {
    const few = 'rate_limits: { few: { requests: 10 } }';
    const { listeners } = configOf(file(few, 'rate_limits: [ few ]', 'rate_limits: [ few ]'));
    const limit = {
      ...{ name: 'few', requests: 10, periodMs: 1_000, burst: 10, keys: [{ by: 'address' }] },
      ...{ prefix4: 32, prefix6: 64, missing: 'address', dryRun: false },
    };
    expect(listeners[0]).toMatchObject({ limits: [limit], routes: [{ pool: 'web', limits: [limit] }] });
  });

  it('reads all keys; names of headers have no letter case', () => {
    const limit = 'requests: 5, per: 1h, burst: 2, key: [ route, { header: X-Api-Key } ], missing: pass';
    const top = `rate_limits: { few: { ${limit}, prefix4: 24, prefix6: 48, dry_run: true } }`;
    const { listeners } = configOf(file(top, '', 'rate_limits: [ few ]'));
    const [route] = listeners[0]!.protocol === 'http' ? listeners[0]!.routes : [];
    expect(route?.limits).toEqual([
      {
        ...{ name: 'few', requests: 5, periodMs: 3_600_000, burst: 2 },
        keys: [{ by: 'route' }, { by: 'header', name: 'x-api-key' }],
        ...{ prefix4: 24, prefix6: 48, missing: 'pass', dryRun: true },
      },
    ]);
  });

  it.each([
    ['requests: 0', '2:33', 'whole number from 1 to'],
    ['requests: -1', '2:33', 'whole number from 1 to'],
    ['requests: 1.5', '2:33', 'whole number'],
    ['requests: 10, per: 0s', '2:42', 'must be from 1s to 30d, not 0s'],
    ['requests: 10, per: 31d', '2:42', 'must be from 1s to 30d'],
    ['requests: 2000000', '2:33', 'not be more than 1,000,000 in a second'],
    ['requests: 10, burst: 0', '2:44', 'whole number from 1 to'],
    ['requests: 1, per: 30d, burst: 2', '2:53', 'more than 30 days'],
    ['requests: 10, key: [ ip ]', '2:44', 'address, host, route'],
    ['requests: 10, key: [ host, host ]', '2:50', 'stands here twice'],
    ['requests: 10, key: [ { header: "a b" } ]', '2:54', 'the name of a header'],
    ['requests: 10, prefix4: 33', '2:46', 'from 8 to 32'],
    ['requests: 10, missing: pass', '2:46', 'only for limits with a header'],
    ['request: 10', '2:21', 'the key "requests" is missing'],
  ])('says where { %s } is wrong', (limit, at, what) => {
    const problems = problemsOf(file(`rate_limits: { few: { ${limit} } }`));
    expect(problems[0]).toContain(`etc/proxy.yaml:${at}: `);
    expect(problems[0]).toContain(what);
  });

  it('must be there where they are named, once, and not by route before there is one', () => {
    const top = 'rate_limits: { few: { requests: 10, key: [ route ] } }';
    expect(problemsOf(file(top, 'rate_limits: [ few, many ]', 'rate_limits: [ few, few ]'))).toEqual([
      'etc/proxy.yaml:6:20: listeners[0].rate_limits[0]: limit "few" is by route, which is not known yet here: name it in routes',
      'etc/proxy.yaml:6:25: listeners[0].rate_limits[1]: there is no rate limit "many"; there is few',
      'etc/proxy.yaml:7:48: listeners[0].routes[0].rate_limits[1]: "few" stands here twice',
    ]);
    expect(problemsOf(file(top, 'rate_limits: [ few ]', '', 'tcp'))[0]).toContain(
      'only for protocol http; use sources',
    );
  });
});

describe('access_lists and sources', () => {
  it('reads prefixes, countries in any letter case, and systems', () => {
    const top =
      'access_lists: { a: { deny: { prefixes: [ 10.0.0.0/8 ], countries: [ de ], asns: [ 64500 ] } } }';
    const { listeners } = configOf(file(top, 'access: a', 'access: a'));
    expect(listeners[0]!.access).toEqual({
      name: 'a',
      allow: { prefixes: [], countries: [], asns: [] },
      deny: {
        prefixes: [{ bytes: Uint8Array.of(10, 0, 0, 0), length: 8 }],
        countries: ['DE'],
        asns: [64500],
      },
    });
    expect(listeners[0]).toMatchObject({ routes: [{ access: { name: 'a' } }] });
  });

  it.each([
    ['{}', '2:20', 'allow, or deny'],
    ['{ deny: { prefixes: [ 10.0.0.1/8 ] } }', '2:42', 'did you mean 10.0.0.0/8?'],
    ['{ deny: { prefixes: [ "::ffff:10.0.0.0/104" ] } }', '2:42', 'must be written as a prefix of IPv4'],
    ['{ deny: { countries: [ XX ] } }', '2:43', 'a country code such as DE'],
    ['{ deny: { asns: [ 0 ] } }', '2:38', 'a whole number from 1 to'],
    ['{ allow: { countries: [ DE ] }, deny: { countries: [ DE ] } }', '2:73', 'is in allow too'],
    ['{ allow: { prefixes: [ "::/0" ] }, deny: { prefixes: [ "::/0" ] } }', '2:75', 'is in allow too'],
    ['{ denied: {} }', '2:22', 'deny'],
  ])('says where %s is wrong', (list, at, what) => {
    const problems = problemsOf(file(`access_lists: { a: ${list} }`));
    expect(problems[0]).toContain(`etc/proxy.yaml:${at}: `);
    expect(problems[0]).toContain(what);
  });

  it('names lists that are not there', () => {
    expect(problemsOf(file('workers: 1', 'access: a'))).toEqual([
      'etc/proxy.yaml:6:13: listeners[0].access: there is no access list "a"; access_lists is empty',
    ]);
  });

  it('limits sources of all protocols but udp', () => {
    const sources = 'sources: { connections: 10, per_second: 5 }';
    const model = { connections: 10, perSecond: 5, prefix4: 32, prefix6: 64 };
    for (const protocol of ['http', 'tcp', 'tls_passthrough']) {
      expect(configOf(file('workers: 1', sources, '', protocol)).listeners[0]).toMatchObject({
        sources: model,
      });
    }
    expect(problemsOf(file('workers: 1', sources, '', 'udp'))[0]).toContain(
      'sources is not for protocol udp',
    );
    expect(problemsOf(file('workers: 1', 'sources: {}'))[0]).toContain(
      'must have the key connections, or per_second',
    );
  });
});

describe('peers', () => {
  const peers = (listen: string, addresses: string) =>
    file(`peers: { listen: "${listen}", addresses: [ ${addresses} ], secret_file: ./region.secret }`);

  it('finds the secret beside the configuration', () => {
    expect(configOf(peers('10.0.0.1:8302', '"10.0.0.2:8302"')).peers).toEqual({
      listen: { host: '10.0.0.1', port: 8302 },
      addresses: [{ host: '10.0.0.2', port: 8302 }],
      secretFile: '/srv/etc/region.secret',
    });
  });

  it('writes addresses as the system does', () => {
    const config = configOf(peers('[2001:DB8:0:0::1]:1', '"[2001:0db8::0002]:1"'));
    expect(config.peers).toMatchObject({
      listen: { host: '2001:db8::1', port: 1 },
      addresses: [{ host: '2001:db8::2', port: 1 }],
    });
  });

  it.each([
    ['0.0.0.0:8302', '"10.0.0.2:1"', 'the one address that the other proxies know this one by'],
    ['10.0.0.1:0', '"10.0.0.2:1"', 'must be an IP address and a port'],
    ['10.0.0.1:1', '"proxy-2:1"', 'must be an IP address and a port'],
    ['10.0.0.1:1', '"10.0.0.1:1"', 'stands here twice, or is this proxy'],
    ['10.0.0.1:1', '"10.0.0.2:1", "10.0.0.2:1"', 'stands here twice, or is this proxy'],
    ['10.0.0.1:1', '"[::1]:1"', 'same family'],
    ['10.0.0.1:1', '', 'at least 1'],
  ])('says what is wrong with %s and %s', (listen, addresses, what) => {
    expect(problemsOf(peers(listen, addresses)).join('\n')).toContain(what);
  });
});
