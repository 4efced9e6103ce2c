import { describe, expect, it } from 'vitest';
import { loadLinux } from '../../../../src/io/batched/linux.js';
import { destinationKeys, localAddresses, XdpGate } from '../../../../src/io/xdp/gate.js';
import { batchedUnavailable } from '../../../support/tier-rig.js';

const LOCAL = ['127.0.0.1', '192.0.2.53', '::1', '2001:db8::53', 'fe80::1%eth0'];
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

describe('destinationKeys()', () => {
  it('writes address, port in network order and family, as the program puts them together', () => {
    const listen = [
      { host: '192.0.2.53', port: 53 },
      { host: '2001:db8::53', port: 5353 },
    ];
    const keys = destinationKeys(listen, LOCAL);
    expect([...keys.values()].map(hex)).toEqual([
      `c0000235${'00'.repeat(12)}003504${'00'}`,
      '20010db8000000000000000000000053' + '14e9' + '0600',
    ]);
  });

  it.each<[string, readonly string[], readonly string[]]>([
    ['one address', ['192.0.2.53'], ['192.0.2.53']],
    ['an address that the machine does not have (yet)', ['198.51.100.1'], ['198.51.100.1']],
    ['all of IPv4', ['0.0.0.0'], ['127.0.0.1', '192.0.2.53']],
    ['all of IPv6', ['::'], ['::1', '2001:db8::53', 'fe80::1%eth0']],
    ['all of IPv6, written at length', ['0:0:0:0:0:0:0:0'], ['::1', '2001:db8::53', 'fe80::1%eth0']],
    ['both', ['0.0.0.0', '::'], LOCAL],
    ['an address and all', ['192.0.2.53', '0.0.0.0'], ['192.0.2.53', '127.0.0.1']],
    ['none', [], []],
  ])('has a key for each address that is meant: %s', (_, hosts, expected) => {
    const keys = destinationKeys(
      hosts.map((host) => ({ host, port: 53 })),
      LOCAL,
    );
    expect([...keys.keys()]).toEqual(expected.map((text) => `${text} 53`));
  });

  it('has a key for each port', () => {
    const listen = [53, 5300].map((port) => ({ host: '0.0.0.0', port }));
    expect(destinationKeys(listen, ['192.0.2.1']).size).toBe(2);
  });

  it('leaves out the zone of a link-local address, and what is no address', () => {
    const keys = destinationKeys([{ host: '::', port: 53 }], ['fe80::1%eth0', 'x::y']);
    expect([...keys.values()].map((key) => hex(key.subarray(0, 16)))).toEqual([`fe80${'0'.repeat(27)}1`]);
  });

  it('has no more than the map holds', () => {
    const local = Array.from({ length: 5000 }, (_, i) => `10.0.${i >> 8}.${i & 255}`);
    expect(destinationKeys([{ host: '0.0.0.0', port: 53 }], local).size).toBe(4096);
  });
});

describe('localAddresses()', () => {
  it('has loopback', () => {
    expect(localAddresses()).toContain('127.0.0.1');
  });
});

describe.skipIf(batchedUnavailable() !== undefined)('XdpGate (needs the batched tier)', () => {
  const linux = loadLinux();
  if ('unavailable' in linux) return;

  it.each([
    ['nothing0', 1232, 'there is no interface nothing0 (ENOENT)'],
    ['.', 1232, 'there is no interface . (ENOENT)'],
    ['lo', 4096, "answers of 4096 bytes don't fit: lo takes 3778 (udp.max_size)"],
  ])('refuses %s with answers of %d bytes', (name, datagramMax, expected) => {
    const options = { interface: name, mode: 'auto' as const, datagramMax };
    expect(() => XdpGate.open(linux, options)).toThrow(expected);
  });
});
