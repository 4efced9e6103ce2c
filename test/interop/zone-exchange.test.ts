import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isInstalled } from '../support/dig.js';
import { removeFolders, temporaryFolder } from '../support/folder.js';
import { meridian, run } from '../support/process.js';

const MASTER = `$ORIGIN example.com.
$TTL 1h
@ SOA ns1 hostmaster 2026112101 2h 30m 3d 15m
@ NS ns1
@ NS ns.example.net.
@ MX 10 mail
ns1 A 192.0.2.53
$GENERATE 1-20 host$ A 192.0.2.$
mail 300 A 192.0.2.9
mail AAAA 2001:db8::9
www CNAME mail
text TXT "a;b" "c\\255d" "\\"quoted\\""
_sip._tcp SRV 1 2 5060 mail
@ CAA 0 issue "letsencrypt.org"
sub NS ns.sub
ns.sub A 192.0.2.54
h HTTPS 1 . alpn=h2,h3 port=8443 ipv4hint=192.0.2.1
odd TYPE65280 \\# 3 010203
*.wild TXT "any"
n NAPTR 100 10 "s" "SIP+D2U" "" _sip._tcp
@ RRSIG SOA 13 2 3600 20300101000000 20260101000000 1 example.com. AAAA
`;
const CHECKERS = [
  { tool: 'kzonecheck', version: '-V', args: (file: string) => ['-o', 'example.com', file] },
  { tool: 'nsd-checkzone', version: '-h', args: (file: string) => ['example.com', file] },
  { tool: 'named-checkzone', version: '-v', args: (file: string) => ['example.com', file] },
];

describe('meridian import and export', () => {
  let folder: string;
  let exported: string;
  beforeAll(async () => {
    folder = temporaryFolder();
    await writeFile(join(folder, 'example.com.zone'), MASTER);
    exported = join(folder, 'exported');
  });
  afterAll(removeFolders);

  it('a master file becomes a zone file that check accepts, with a warning for what is left out', async () => {
    const yaml = join(folder, 'example.com.yaml');
    const imported = await meridian(['import', join(folder, 'example.com.zone'), '-o', yaml]);
    expect(imported).toMatchObject({ code: 0, stdout: '' });
    expect(imported.stderr).toContain('1 RRSIG record is left out');
    expect(await readFile(yaml, 'utf8')).toContain('host20: { type: A, value: 192.0.2.20 }');
    expect(await meridian(['check', yaml])).toMatchObject({ code: 0, stderr: '' });
    expect(await meridian(['export', yaml, '-o', exported])).toMatchObject({ code: 0, stderr: '' });
  });

  it('an exported zone is imported as the same zone file', async () => {
    const again = await meridian(['import', exported, '--zone', 'example.com']);
    expect(again.stdout).toBe(await readFile(join(folder, 'example.com.yaml'), 'utf8'));
  });

  for (const { tool, version, args } of CHECKERS) {
    const missing = !isInstalled(tool, version);
    it.skipIf(missing)(
      `${tool} accepts what export writes${missing ? ' (skipped: not installed)' : ''}`,
      async () => {
        const { code, stdout, stderr } = await run(tool, args(exported));
        expect({ code, output: code === 0 ? '' : stdout + stderr }).toEqual({ code: 0, output: '' });
      },
    );
  }

  it('mistakes are told with their lines, and nothing is written', async () => {
    const bad = join(folder, 'bad.example.zone');
    await writeFile(bad, '@ SOA ns1 h 1 2 3 4 5\n@ NS ns.example.net.\nwww A 192.0.2.300\n');
    const { code, stderr, stdout } = await meridian(['import', bad]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('bad.example.zone:3:7: ');
  });

  it('dynamic records become comments, and export says so and exits with 1', async () => {
    const { code, stdout, stderr } = await meridian(['export', 'zones/gslb.example.com.yaml']);
    expect(code).toBe(1);
    expect(stderr).toContain('dynamic records left out');
    expect(stdout).toMatch(/^; www A and AAAA: /m);
  });
});
