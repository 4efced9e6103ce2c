import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { alpnWire, optionsProblem, sessionContext, systemAuthorities } from '../../../src/io/tls-settings.js';
import { removeFolders, temporaryFolder } from '../../support/folder.js';

afterEach(removeFolders);

describe('systemAuthorities()', () => {
  it('takes the first file that can be read', () => {
    const folder = temporaryFolder();
    const [absent, unreadable, good] = ['absent', 'folder', 'good'].map((name) => join(folder, name));
    mkdirSync(unreadable!);
    writeFileSync(good!, 'the authorities');
    expect(systemAuthorities([absent!, unreadable!, good!])).toBe('the authorities');
  });

  it("takes node's own if the system has none", () => {
    expect(systemAuthorities([])).toContain(rootCertificates[0]);
  });
});

describe('alpnWire()', () => {
  it('puts the length before each name', () => {
    expect([...alpnWire(['h2', 'x'])]).toEqual([2, 0x68, 0x32, 1, 0x78]);
    expect(alpnWire([])).toHaveLength(0);
  });
});

describe('sessionContext()', () => {
  it('differs for everything that clients have to show', () => {
    const contexts = [
      null,
      { ca: 'one', required: true },
      { ca: 'one', required: false },
      { ca: 'other', required: true },
    ].map((clientCa) => sessionContext({ clientCa }).toString('hex'));
    expect(new Set(contexts).size).toBe(4);
    expect(contexts.every((context) => context.length === 64)).toBe(true);
  });
});

describe('optionsProblem()', () => {
  const key = new Uint8Array(48);

  it.each([
    [{ alpn: Array.from({ length: 17 }, () => 'x') }, /at most 16/],
    [{ alpn: ['x'.repeat(256)] }, /1 to 255/],
    [{ ticketKeys: Array.from({ length: 9 }, () => key) }, /at most 8/],
    [{ ticketKeys: [key, new Uint8Array(47)] }, /48 bytes/],
    [{ certificates: [] }, /at least one/],
  ])('refuses %j', (options, message) => {
    expect(optionsProblem(options)).toMatch(message);
  });

  it('accepts what is within the limits', () => {
    expect(optionsProblem({ alpn: ['h2'], ticketKeys: [key] })).toBeUndefined();
  });
});
