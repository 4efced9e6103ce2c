import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dig, isInstalled } from '../support/dig.js';
import { removeFolders } from '../support/folder.js';
import { startNode, type TestNode } from '../support/node.js';
import { endPrograms, run } from '../support/process.js';

const ZONE = `zone: edns.test
ttl: 30
nameservers: { ns1: { A: 127.0.0.1 } }
soa: { contact: hostmaster.edns.test }
pools: { eu: { endpoints: [{ A: 192.0.2.1 }] } }
records: { www: { type: A, dynamic: { steering: failover, pools: [eu] } } }
`;

let node: TestNode;
beforeAll(async () => {
  node = await startNode({ zones: { 'edns.test.yaml': ZONE } });
});
afterAll(async () => {
  await endPrograms();
  removeFolders();
});

/** Ways to ask that change nothing about the answer: options that are not known are ignored (RFC 6891 §6.1.2). */
const HARMLESS = [
  '+edns',
  '+noedns',
  '+nsid',
  '+cookie',
  '+cookie=0123456789abcdef',
  '+bufsize=512',
  '+bufsize=65535',
  '+dnssec',
  '+padding=64',
  '+cdflag',
  '+subnet=0.0.0.0/0',
  '+subnet=::/0',
];

describe.skipIf(!isInstalled('kdig', '--version'))('kdig (skipped where it is not installed)', () => {
  const kdig = async (...args: readonly string[]) => {
    const { stdout, stderr } = await run('kdig', [
      '@127.0.0.1',
      '-p',
      String(node.port),
      '+retry=0',
      ...args,
    ]);
    expect(stderr).toBe('');
    return stdout;
  };
  const options = HARMLESS.map((option) => option.replace('+cookie=0123456789abcdef', '+cookie'));

  it.each([...new Set(options)])('gets its answer with %s', async (option) => {
    const text = await kdig('www.edns.test', 'A', option);
    expect(text).toMatch(/status: NOERROR/);
    expect(text).toMatch(/^www\.edns\.test\.\s+30\s+IN\s+A\s+192\.0\.2\.1$/m);
    expect(text).not.toMatch(/WARNING/);
  });

  it('gets BADVERS for another version of EDNS', async () => {
    expect(await kdig('www.edns.test', 'A', '+edns=1')).toMatch(/BADVERS/);
  });

  it('gets its answers over one TCP connection', async () => {
    const text = await kdig(
      '+tcp',
      '+keepopen',
      'www.edns.test',
      'A',
      'edns.test',
      'SOA',
      'ns1.edns.test',
      'A',
    );
    expect(text.match(/status: NOERROR/g)).toHaveLength(3);
  });
});

describe.skipIf(!isInstalled('dig', '-v'))('dig (skipped where it is not installed)', () => {
  it.each(HARMLESS)('gets its answer with %s', async (option) => {
    const answer = await dig(node, 'www.edns.test', 'A', option);
    expect(answer.answers).toEqual(['www.edns.test. 30 IN A 192.0.2.1']);
    expect(answer.text).not.toMatch(/WARNING/);
  });

  it('gets BADVERS for another version of EDNS', async () => {
    const answer = await dig(node, 'www.edns.test', 'A', '+edns=1', '+noednsneg');
    expect([answer.status, answer.answers]).toEqual(['BADVERS', []]);
  });

  it('gets an OPT record only if it sent one', async () => {
    expect((await dig(node, 'www.edns.test')).text).toContain('EDNS: version: 0');
    expect((await dig(node, 'www.edns.test', '+noedns')).text).not.toContain('EDNS');
  });

  it.each(['+opcode=NOTIFY', '+opcode=UPDATE', '+opcode=STATUS'])('gets NOTIMP for %s', async (opcode) => {
    expect((await dig(node, 'edns.test', 'SOA', opcode)).status).toBe('NOTIMP');
  });

  it('gets a client subnet back as it sent it, also one of odd length', async () => {
    for (const subnet of ['192.0.2.0/23', '192.0.2.77/32', '2001:db8:1::/45']) {
      const answer = await dig(node, 'www.edns.test', `+subnet=${subnet}`);
      expect(answer.scope).toBe(0);
      expect(answer.answers).toHaveLength(1);
    }
  });
});
