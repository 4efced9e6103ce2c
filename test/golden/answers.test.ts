import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { rcodeName, typeName } from '../../src/core/dns/iana.js';
import { trieOf } from '../support/mmdb-writer.js';
import { type QueryRig, rigOf } from '../support/query-rig.js';

const ZONE = readFileSync(join(import.meta.dirname, '../../zones/gslb.example.com.yaml'), 'utf8');

const GEO = trieOf([
  { prefix: '2.0.0.0/8', data: { continent_code: 'EU', country_code: 'FR' } },
  { prefix: '3.0.0.0/8', data: { continent_code: 'NA', country_code: 'US', state1: 'VA' } },
  { prefix: '14.0.0.0/8', data: { continent_code: 'AS', country_code: 'IN' } },
  { prefix: '41.0.0.0/8', data: { continent_code: 'AF', country_code: 'EG' } },
  { prefix: '5.5.0.0/16', data: { continent_code: 'EU', country_code: 'DE', asn: 64_500 } },
  { prefix: '2a00::/16', data: { continent_code: 'EU', country_code: 'DE' } },
]);
const CLIENTS = {
  France: '2.1.2.0/24',
  Virginia: '3.1.2.0/24',
  India: '14.1.2.0/24',
  Egypt: '41.1.2.0/24',
  AS64500: '5.5.1.0/24',
  'private 10/8': '10.1.2.0/24',
  'Germany, IPv6': '2a00:1:2::/56',
  unknown: '100.100.1.0/24',
};
const QUESTIONS = [
  'www A',
  'www AAAA',
  'near A',
  'split A',
  'backup A',
  '_acme-challenge TXT',
  ' MX',
  ' NS',
  'nothing A',
];
const SITUATIONS: Readonly<Record<string, readonly string[]>> = {
  'all up': [],
  'eu: the heavier endpoint down (IPv4)': ['192.0.2.10'],
  'eu: all of IPv4 down': ['192.0.2.10', '192.0.2.11'],
  'eu and us down': ['192.0.2.10', '192.0.2.11', '198.51.100.10'],
  'all down': ['192.0.2.10', '192.0.2.11', '198.51.100.10', '203.0.113.10', '2001:db8::10'],
};

/** All that a client may get, over many draws: `www A  192.0.2.10 | 192.0.2.11  ttl 30  scope 8`. */
function lineFor(rig: QueryRig, question: string, subnet: string): string {
  const [label, type] = question.split(' ') as [string, string];
  const name = label === '' ? 'gslb.example.com' : `${label}.gslb.example.com`;
  const sets = new Set<string>();
  let end = '';
  for (let i = 0; i < 60; i++) {
    const { rcode, answers, authorities, edns } = rig.ask(name, type, { subnet });
    sets.add(answers.map((record) => record.rdata).join(' + '));
    const [first = authorities[0]] = answers;
    const what = answers.length === 0 && first ? ` ${rcodeName(rcode)}, ${typeName(first.type)}` : '';
    end = `${what}  ttl ${first?.ttl}  scope ${edns?.scope}`;
  }
  return `${question.trim()}  ${[...sets].sort().join(' | ')}${end}`;
}

describe('zones/gslb.example.com.yaml', () => {
  it.each(Object.entries(SITUATIONS))('answers as it always did: %s', async (situation, down) => {
    const rig = rigOf(ZONE, { geo: GEO });
    rig.set('down', ...down);
    const questions = situation === 'all up' ? QUESTIONS : QUESTIONS.slice(0, 5);
    const text = Object.entries(CLIENTS).flatMap(([place, subnet]) => [
      `${place} (${subnet})`,
      ...questions.map((question) => `  ${lineFor(rig, question, subnet)}`),
    ]);
    const file = `answers/${situation.replace(/[^a-z0-9]+/gi, '-')}.expected.txt`;
    await expect(`${text.join('\n')}\n`).toMatchFileSnapshot(file);
  });
});
