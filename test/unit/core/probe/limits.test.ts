import { describe, expect, it } from 'vitest';
import { parsePrefix } from '../../../../src/core/dns/rdata/address.js';
import { EVERY_NETWORK, mayReach, mayRead, mayRun } from '../../../../src/core/probe/limits.js';
import type { Prefix } from '../../../../src/core/zone/model.js';

const prefixes = (...texts: readonly string[]) => texts.map((text) => parsePrefix(text) as Prefix);

describe('mayReach()', () => {
  const networks = {
    allow: prefixes('0.0.0.0/0', '2001:db8::/32', '::1/128'),
    deny: prefixes('10.0.0.0/8', '169.254.169.254', '192.0.2.128/25', '127.0.0.0/8', '2001:db8:bac::/47'),
  };

  it.each([
    ['203.0.113.1', true],
    ['11.0.0.0', true],
    ['10.0.0.0', false],
    ['10.255.255.255', false],
    ['169.254.169.254', false],
    ['169.254.169.253', true],
    ['192.0.2.127', true],
    ['192.0.2.128', false],
    ['127.0.0.1', false],
    ['2001:db8::1', true],
    ['2001:db8:bac::1', false],
    ['2001:db8:bae::1', true],
    ['2001:db9::1', false],
    ['::1', true],
  ])('%s: %s', (address, allowed) => {
    expect(mayReach(networks, address)).toBe(allowed);
  });

  it.each(['::ffff:10.0.0.1', '::ffff:a00:1', '0.0.0.0', '::ffff:0.0.0.0'])(
    'sees through %s, another way to write a forbidden address',
    (address) => {
      expect(mayReach(networks, address)).toBe(false);
    },
  );

  it('takes `::` for ::1', () => {
    expect(mayReach({ ...networks, deny: prefixes('::1') }, '::')).toBe(false);
    expect(mayReach(networks, '::')).toBe(true);
  });

  it.each(['www.example.com', '', '10.0.0.1 ', '010.0.0.1', 'fe80::1%eth0'])(
    'refuses %j, which is no address',
    (text) => expect(mayReach(networks, text)).toBe(false),
  );

  it('lets everything through where nothing is limited', () => {
    expect(mayReach(EVERY_NETWORK, '10.0.0.1')).toBe(true);
  });
});

describe('mayRun() and mayRead()', () => {
  it.each([
    ['/opt/check', true],
    ['/opt/check2', false],
    ['/opt/../opt/check', false],
    ['check', false],
  ])('run %s: %s', (program, allowed) => {
    expect(mayRun({ programs: ['/opt/check'] }, program)).toBe(allowed);
  });

  it.each([
    ['/run/up/a', true],
    ['/run/up/b/c', true],
    ['/run/up', false],
    ['/run/up/', false],
    ['/run/upper/a', false],
    ['/run/up/../secret', false],
    ['/run/up/./a', false],
    ['/run/up//a', false],
    ['run/up/a', false],
    ['', false],
  ])('read %s: %s', (path, allowed) => {
    expect(mayRead({ folders: ['/run/up', '/var/state/'] }, path)).toBe(allowed);
  });

  it('reads from a folder that is written with a slash at its end', () => {
    expect(mayRead({ folders: ['/var/state/'] }, '/var/state/a')).toBe(true);
    expect(mayRead({ folders: ['/'] }, '/etc/a')).toBe(true);
  });
});
