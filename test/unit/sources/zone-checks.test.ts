import { describe, expect, it } from 'vitest';
import { JUDGEMENT_DEFAULTS } from '../../../src/core/health/judgement.js';
import type { ProbePermissions } from '../../../src/core/probe/limits.js';
import { patternProblem } from '../../../src/sources/body-pattern.js';
import { formatProblem } from '../../../src/sources/yaml-document.js';
import { loadZoneFile } from '../../../src/sources/zone-file.js';

const PROBES: ProbePermissions = { programs: ['/opt/check'], folders: ['/run/up'] };
const COMMON = {
  name: 'm',
  intervalMs: 5000,
  timeoutMs: 2000,
  fall: 3,
  rise: 1,
  quorum: 'majority',
  judgement: JUDGEMENT_DEFAULTS,
};
const HTTP = { path: '/', method: 'GET', status: [{ from: 200, to: 399 }], verify: true };

function load(monitor: string, probes?: ProbePermissions) {
  const text = `zone: example.com\nnameservers: { ns1: { A: 192.0.2.53 } }\nsoa: { contact: a.example.com }\nmonitors:\n  m: { ${monitor} }\n`;
  return loadZoneFile('zone.yaml', text, probes ? { probes } : {});
}

function problemsOf(monitor: string, probes?: ProbePermissions): readonly string[] {
  const result = load(monitor, probes);
  return 'problems' in result ? result.problems.map(formatProblem) : [];
}

describe('a monitor of a zone file', () => {
  it.each<[string, object]>([
    ['type: tcp, port: 5432', { type: 'tcp', port: 5432 }],
    ['type: tcp, port: 1, source: 192.0.2.1', { type: 'tcp', port: 1, sources: ['192.0.2.1'] }],
    [
      'type: tcp, port: 1, source: [192.0.2.1, "2001:db8::1"], retry_interval: 500ms',
      { type: 'tcp', port: 1, sources: ['192.0.2.1', '2001:db8::1'], retryMs: 500 },
    ],
    ['type: tls', { type: 'tls', port: 443, verify: true, minDays: 0 }],
    [
      'type: tls, host: a.example.com, min_days: 14, verify: false, port: 853',
      { type: 'tls', port: 853, host: 'a.example.com', verify: false, minDays: 14 },
    ],
    ['type: http', { ...HTTP, type: 'http', port: 80 }],
    ['type: https, verify: false', { ...HTTP, type: 'https', port: 443, verify: false }],
    [
      'type: http, method: OPTIONS, headers: { X-A: b, Accept: "" }, expect: { status: [200, "204-206"], body: ok }',
      {
        ...HTTP,
        type: 'http',
        port: 80,
        method: 'OPTIONS',
        headers: [
          ['X-A', 'b'],
          ['Accept', ''],
        ],
        status: [
          { from: 200, to: 200 },
          { from: 204, to: 206 },
        ],
        body: { contains: 'ok' },
      },
    ],
    [
      'type: http, expect: { body: { matches: "^o+k$" } }',
      { ...HTTP, type: 'http', port: 80, body: { matches: '^o+k$' } },
    ],
    ['type: http2', { ...HTTP, type: 'http2', port: 443, tls: true }],
    ['type: http2, tls: false', { ...HTTP, type: 'http2', port: 80, tls: false }],
    ['type: grpc', { type: 'grpc', port: 443, service: '', tls: true, verify: true }],
    [
      'type: grpc, port: 50051, service: db.Reader, tls: false, host: db',
      { type: 'grpc', port: 50051, service: 'db.Reader', host: 'db', tls: false, verify: true },
    ],
    [
      'type: dns, query: Example.com.',
      { type: 'dns', port: 53, queryName: 'example.com.', queryType: 1, protocol: 'udp', rcode: 0 },
    ],
    [
      'type: dns, query: example.com., query_type: aaaa, protocol: tcp, expect: { rcode: NOERROR, value: "2001:DB8:0::1" }',
      {
        type: 'dns',
        port: 53,
        queryName: 'example.com.',
        queryType: 28,
        protocol: 'tcp',
        rcode: 0,
        value: '2001:db8::1',
      },
    ],
    [
      'type: dns, query: ., query_type: MX, expect: { rcode: NXDOMAIN, value: { preference: 5, exchange: Mail.example.com. } }',
      {
        type: 'dns',
        port: 53,
        queryName: '.',
        queryType: 15,
        protocol: 'udp',
        rcode: 3,
        value: '5 Mail.example.com.',
      },
    ],
    ['type: icmp', { type: 'icmp' }],
    [
      'type: udp, port: 7, send: PING, expect: { bytes: { hex: FF00 } }',
      { type: 'udp', port: 7, send: '50494e47', expect: 'ff00' },
    ],
    [
      'type: exec, program: /opt/check, args: ["{address}", "; id"]',
      { type: 'exec', program: '/opt/check', args: ['{address}', '; id'] },
    ],
    ['type: file, path: /run/up/a, max_age: 10s', { type: 'file', path: '/run/up/a', maxAgeMs: 10_000 }],
    ['type: file, path: "/run/up/{address}"', { type: 'file', path: '/run/up/{address}', maxAgeMs: 60_000 }],
  ])('{ %s }', (text, expected) => {
    const result = load(text, PROBES);
    expect('problems' in result ? result.problems.map(formatProblem) : []).toEqual([]);
    if ('problems' in result) return;
    expect(result.zone.monitors.get('m')).toEqual({ ...COMMON, ...expected });
  });

  it.each<[string, ProbePermissions | undefined, string]>([
    ['type: exec, program: /opt/check', undefined, 'probes.programs in meridian.yaml is empty'],
    ['type: exec, program: /opt/check2', PROBES, 'probes.programs in meridian.yaml has /opt/check'],
    ['type: exec, program: /opt/../opt/check', PROBES, 'is not allowed on this server'],
    ['type: exec, program: /bin/sh, args: [-c, /opt/check]', PROBES, 'is not allowed on this server'],
    ['type: file, path: /run/up/a', undefined, 'probes.folders in meridian.yaml is empty'],
    ['type: file, path: /run/up/../secret', PROBES, 'probes.folders in meridian.yaml has /run/up'],
    ['type: file, path: /run/upper', PROBES, 'is in no folder that is allowed on this server'],
  ])('{ %s } is refused with its place', (text, probes, message) => {
    const problems = problemsOf(text, probes);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(/^zone\.yaml:5:\d+: monitors\.m\.(program|path): /);
    expect(problems[0]).toContain(message);
  });
});

describe('patternProblem()', () => {
  it.each(['ok', '^(a|b)+$', '(?i)up', '\\bready\\b', '(a*)*b', 'a{1000}'.replace('1000', '500')])(
    'takes %j',
    (pattern) => expect(patternProblem(pattern)).toBeUndefined(),
  );

  it.each([
    ['(', 'missing closing'],
    ['(a)\\1', 'invalid escape sequence'],
    ['a(?!b)', 'invalid or unsupported'],
    ['((a{10}){10}){10}b{900}', 'is too complex'],
    ['a{2000}', 'invalid repeat count'],
  ])('refuses %j', (pattern, message) => {
    expect(patternProblem(pattern)).toContain(message);
  });
});
