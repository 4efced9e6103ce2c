import { describe, expect, it } from 'vitest';
import { DIFFERENCES } from '../../support/differences.js';
import { page } from './pages.js';

const PEER_NAMES = { knot: 'Knot', gdnsd: 'gdnsd' } as const;

describe('docs/differences.md', () => {
  it('lists the differences that the differential test allows, in its words, and no other', () => {
    const rows = DIFFERENCES.map(({ id, peers, reason }) => {
      const names = peers.map((peer) => PEER_NAMES[peer]).join(', ');
      return `| \`${id}\` | ${names} | ${reason} |`;
    });
    const listed = page('docs/differences.md')
      .text.split('\n')
      .filter((line) => line.startsWith('| `'));
    expect(listed).toEqual(rows);
  });
});
