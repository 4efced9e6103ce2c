import { describe, expect, it } from 'vitest';
import { formatTarget, parseTarget } from '../../../../src/core/steering/target.js';

describe('parseTarget()', () => {
  it.each([
    ['example.com/eu', { zone: 'example.com.', pool: 'eu' }],
    ['Example.COM./eu', { zone: 'example.com.', pool: 'eu' }],
    ['*/eu', { zone: '*', pool: 'eu' }],
    ['example.com/eu/192.0.2.1', { zone: 'example.com.', pool: 'eu', address: '192.0.2.1' }],
    ['example.com/eu/2001:DB8:0::1', { zone: 'example.com.', pool: 'eu', address: '2001:db8::1' }],
    [
      'example.com/eu/Origin.Example.NET.',
      { zone: 'example.com.', pool: 'eu', address: 'origin.example.net' },
    ],
    ['*/*/192.0.2.1', { zone: '*', pool: '*', address: '192.0.2.1' }],
    ['region:eu', { zone: '*', region: 'eu' }],
    ['example.com/region:eu', { zone: 'example.com.', region: 'eu' }],
    ['0%2F25.2.0.192.in-addr.arpa/eu', { zone: '0/25.2.0.192.in-addr.arpa.', pool: 'eu' }],
    ['./eu', { zone: '.', pool: 'eu' }],
  ])('reads %s', (text, target) => {
    expect(parseTarget(text)).toEqual(target);
    expect(parseTarget(formatTarget(target))).toEqual(target);
  });

  it.each([
    '',
    'eu',
    '/eu',
    'example.com/',
    'example.com/*',
    'example.com/a b',
    'example.com/eu/',
    'example.com/region:eu/192.0.2.1',
    'region:',
    'region:a/b',
    'example..com/eu',
    `${'a'.repeat(700)}/eu`,
    'example.com/eu (priority 1)',
  ])('refuses %j with a sentence', (text) => {
    expect(typeof parseTarget(text)).toBe('string');
  });

  it.each([
    ['EXAMPLE.com./eu', 'example.com/eu'],
    ['*/region:eu', 'region:eu'],
    ['0%2f25.2.0.192.in-addr.arpa/eu', '0%2F25.2.0.192.in-addr.arpa/eu'],
  ])('writes %s as %s', (text, canonical) => {
    expect(formatTarget(parseTarget(text) as Exclude<ReturnType<typeof parseTarget>, string>)).toBe(
      canonical,
    );
  });
});
