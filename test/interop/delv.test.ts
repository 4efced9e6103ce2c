import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isInstalled } from '../support/dig.js';
import { removeFolders } from '../support/folder.js';
import { startNode, type TestNode } from '../support/node.js';
import { endPrograms, run } from '../support/process.js';

const missing = !isInstalled('delv', '-v');
const ZONE = `zone: delv.test
ttl: 60
nameservers: { ns1: { A: 127.0.0.1 } }
soa: { contact: hostmaster.delv.test }
records:
  www: { type: A, value: 192.0.2.1 }
  alias: { type: CNAME, value: www.delv.test. }
`;

describe.skipIf(missing)(`delv, without validation${missing ? ' (skipped: no delv)' : ''}`, () => {
  let node: TestNode;
  beforeAll(async () => {
    node = await startNode({ zones: { 'delv.test.yaml': ZONE } });
  });
  afterAll(async () => {
    await endPrograms();
    removeFolders();
  });

  /** -i: insecure, as for any zone without signatures. */
  const delv = async (...question: readonly string[]) => {
    const { stdout, stderr } = await run('delv', ['-i', '@127.0.0.1', '-p', String(node.port), ...question]);
    return `${stdout}${stderr}`.replace(/[\t ]+/g, ' ');
  };

  it('takes an answer, also over TCP', async () => {
    expect(await delv('www.delv.test', 'A')).toContain('www.delv.test. 60 IN A 192.0.2.1');
    expect(await delv('+tcp', 'www.delv.test', 'A')).toContain('www.delv.test. 60 IN A 192.0.2.1');
  });

  it('follows an alias', async () => {
    const text = await delv('alias.delv.test', 'A');
    expect(text).toContain('alias.delv.test. 60 IN CNAME www.delv.test.');
    expect(text).toContain('www.delv.test. 60 IN A 192.0.2.1');
  });

  it.each([
    ['no.delv.test', 'ncache nxdomain'],
    ['www.delv.test', 'ncache nxrrset'],
  ])('understands the negative answer to %s MX', async (name, result) => {
    expect(await delv(name, 'MX')).toContain(`resolution failed: ${result}`);
  });
});
