import { describe, expect, it } from 'vitest';
import { editZone, newZoneText, type ZoneEdit } from '../../../src/sources/zone-edit.js';
import { loadZoneFile } from '../../../src/sources/zone-file.js';

const FILE = `# the zone
zone: example.com
nameservers: { ns1: { A: 192.0.2.53 } }
soa: { contact: hostmaster.example.com }

pools:
  eu: # europe
    endpoints:
      - { A: 192.0.2.1, AAAA: "2001:db8::1" } # dublin
      - { A: 192.0.2.2, weight: 2 }
  us: { endpoints: [{ A: 198.51.100.1 }] }

records:
  "": { type: MX, value: { preference: 10, exchange: mail.example.net. } }
  # the web
  WWW: { type: [A, AAAA], dynamic: { steering: failover, pools: [eu] } } # both
  txt:
    # why
    type: TXT
    value: one
  # absolute
  list.example.com.:
    - { type: A, value: 192.0.2.5 } # first
    - { type: TXT, value: x }
`;

const OCTODNS = `# octo
www: { type: A, value: 192.0.2.1 }
`;

function edited(edit: ZoneEdit, text = FILE, file = 'example.com.yaml'): string {
  const result = editZone(file, text, edit);
  if (!('text' in result)) throw new Error(JSON.stringify(result));
  return result.text;
}

const put = (name: string, types: string, value: unknown): ZoneEdit => ({
  kind: 'record',
  action: 'put',
  name,
  types,
  value,
});

describe('editZone()', () => {
  it.each<[string, ZoneEdit, string, string]>([
    [
      'a new name',
      put('new', 'a', { value: '192.0.2.9' }),
      'value: x }\n',
      'value: x }\n  new: { type: A, value: 192.0.2.9 }\n',
    ],
    [
      'a record found by another spelling',
      put('www.example.com.', 'aaaa,A', { dynamic: { steering: 'failover', pools: ['eu'] }, fail: 'closed' }),
      'pools: [eu] }',
      'pools: [eu] }, fail: closed',
    ],
    [
      'a second type of a name on one line',
      put('@', 'TXT', { value: 'v=spf1 -all' }),
      '"": { type: MX, value: { preference: 10, exchange: mail.example.net. } }\n',
      '"":\n    - { type: MX, value: { preference: 10, exchange: mail.example.net. } }\n    - { type: TXT, value: "v=spf1 -all" }\n',
    ],
    [
      'a second type of a name in a block',
      put('txt', 'A', { value: '192.0.2.9' }),
      '    # why\n    type: TXT\n    value: one\n',
      '    # why\n    - type: TXT\n      value: one\n    - { type: A, value: 192.0.2.9 }\n',
    ],
    [
      'a third type of a name',
      put('list', 'AAAA', { value: '2001:db8::5' }),
      'value: x }\n',
      'value: x }\n    - { type: AAAA, value: "2001:db8::5" }\n',
    ],
    [
      'a TTL',
      { kind: 'record', action: 'patch', name: 'txt', types: 'TXT', value: { ttl: 5 } },
      'value: one\n',
      'value: one\n    ttl: 5\n',
    ],
    [
      'values in the place of a value',
      { kind: 'record', action: 'patch', name: 'txt', types: 'TXT', value: { values: ['a', 'b'] } },
      'value: one\n',
      'values: [a, b]\n',
    ],
    [
      'one of two records taken away',
      { kind: 'record', action: 'delete', name: 'list', types: 'A' },
      '    - { type: A, value: 192.0.2.5 } # first\n',
      '',
    ],
    [
      'a name taken away',
      { kind: 'name', action: 'delete', name: 'list' },
      '  list.example.com.:\n    - { type: A, value: 192.0.2.5 } # first\n    - { type: TXT, value: x }\n',
      '',
    ],
    [
      'all records of a name',
      { kind: 'name', action: 'put', name: 'list', value: [{ type: 'TXT', value: 'x' }] },
      '    - { type: A, value: 192.0.2.5 } # first\n',
      '',
    ],
    [
      'the weight of an endpoint',
      { kind: 'endpoint', action: 'patch', pool: 'eu', address: '2001:DB8:0::1', value: { weight: 5 } },
      '"2001:db8::1" }',
      '"2001:db8::1", weight: 5 }',
    ],
    [
      'a new endpoint',
      { kind: 'endpoint', action: 'put', pool: 'eu', address: '192.0.2.3', value: { A: '192.0.2.3' } },
      'weight: 2 }\n',
      'weight: 2 }\n      - { A: 192.0.2.3 }\n',
    ],
    [
      'an endpoint taken away',
      { kind: 'endpoint', action: 'delete', pool: 'eu', address: '192.0.2.2' },
      '      - { A: 192.0.2.2, weight: 2 }\n',
      '',
    ],
    [
      'a pool',
      { kind: 'part', action: 'patch', section: 'pools', name: 'eu', value: { fallback: 'us' } },
      'weight: 2 }\n',
      'weight: 2 }\n    fallback: us\n',
    ],
    [
      'a section that was not there',
      { kind: 'part', action: 'put', section: 'regions', name: 'eu', value: {} },
      'example.com }\n\npools',
      'example.com }\n\nregions: { eu: {} }\n\npools',
    ],
    [
      'a key of the zone',
      { kind: 'zone', action: 'patch', value: { ttl: 60 } },
      'zone: example.com\n',
      'zone: example.com\nttl: 60\n',
    ],
  ])('writes %s and nothing else', (_, edit, from, to) => {
    expect(FILE.split(from)).toHaveLength(2);
    expect(edited(edit)).toBe(FILE.replace(from, () => to));
    expect(loadZoneFile('example.com.yaml', edited(edit))).not.toHaveProperty('problems');
  });

  it.each<[ZoneEdit, string, RegExp]>([
    [
      { kind: 'record', action: 'delete', name: 'www', types: 'A' },
      'not_alone',
      /name them together, as A,AAAA/,
    ],
    [put('www', 'A', { value: '192.0.2.1' }), 'not_alone', /together/],
    [{ kind: 'record', action: 'delete', name: 'txt', types: 'MX' }, 'not_found', /it has only TXT/],
    [{ kind: 'record', action: 'patch', name: 'nix', types: 'A', value: {} }, 'not_found', /no records/],
    [{ kind: 'name', action: 'delete', name: 'nix' }, 'not_found', /nix\.example\.com\. has no records/],
    [put('www.example.org.', 'A', { value: '192.0.2.1' }), 'bad_name', /not in the zone example\.com\./],
    [put('a..b', 'A', { value: '192.0.2.1' }), 'bad_name', /label/],
    [put('x', 'A', { type: 'MX' }), 'bad_value', /says the type MX, the request A/],
    [put('x', 'A', [1]), 'bad_value', /a record is a map/],
    [{ kind: 'part', action: 'delete', section: 'pools', name: 'ap' }, 'not_found', /no ap in pools/],
    [
      { kind: 'endpoint', action: 'put', pool: 'eu', address: '192.0.2.9', value: { A: '192.0.2.8' } },
      'bad_value',
      /must have 192\.0\.2\.9/,
    ],
    [{ kind: 'endpoint', action: 'delete', pool: 'ap', address: '192.0.2.9' }, 'not_found', /no pool ap/],
    [{ kind: 'zone', action: 'put', value: [] }, 'bad_value', /a zone is a map/],
  ])('refuses %j', (edit, code, message) => {
    expect(editZone('example.com.yaml', FILE, edit)).toEqual({
      code,
      message: expect.stringMatching(message),
    });
  });

  it('edits records of a file of octoDNS, and nothing that it does not have', () => {
    expect(edited(put('mail', 'A', { value: '192.0.2.2' }), OCTODNS)).toBe(
      `${OCTODNS}mail: { type: A, value: 192.0.2.2 }\n`,
    );
    const part = { kind: 'part', action: 'put', section: 'pools', name: 'eu', value: {} } as const;
    expect(editZone('example.com.yaml', OCTODNS, part)).toMatchObject({ code: 'not_editable' });
  });

  it('gives the mistakes of a file that can not be read', () => {
    expect(editZone('z.yaml', 'zone: [', put('a', 'A', {}))).toMatchObject({
      problems: [{ file: 'z.yaml' }],
    });
  });

  it('is not led astray by the names of objects', () => {
    const text = edited(put('__proto__', 'A', { value: '192.0.2.1' }));
    expect(text).toContain('  __proto__: { type: A, value: 192.0.2.1 }\n');
  });
});

describe('newZoneText()', () => {
  it('writes a file as a person would', () => {
    const text = newZoneText({
      records: { www: { type: 'A', value: '192.0.2.1' }, '*.x': { type: 'TXT', value: 'a b' } },
      zone: 'example.com',
      nameservers: { ns1: { A: '192.0.2.53' } },
      soa: { contact: 'hostmaster.example.com' },
      pools: { eu: { endpoints: [{ A: '192.0.2.1' }] } },
    });
    expect(text).toBe(`zone: example.com
nameservers:
  ns1: { A: 192.0.2.53 }
soa: { contact: hostmaster.example.com }
pools:
  eu: { endpoints: [{ A: 192.0.2.1 }] }
records:
  www: { type: A, value: 192.0.2.1 }
  "*.x": { type: TXT, value: "a b" }
`);
    expect(loadZoneFile('example.com.yaml', text)).toHaveProperty('zone');
  });
});
