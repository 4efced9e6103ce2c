import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Api } from '../../../src/api/server.js';
import { AuditLog } from '../../../src/control/audit-log.js';
import { InlineSimulator, type Simulator } from '../../../src/control/simulator.js';
import type { ZoneEditor } from '../../../src/control/zone-editor.js';
import { apiOn, type ControlRig, controlRig } from '../../support/control-rig.js';
import { zoneText } from '../../support/query-rig.js';

const IDLE_MS = 150;

let rig: ControlRig;
let api: Api;
let folder = '';
let audit: AuditLog;
afterEach(async () => {
  await api.close();
  await audit.close();
  rig.close();
  rmSync(folder, { recursive: true, force: true });
});

/** An API whose handlers wait until `finish`, on a socket. */
async function slowApi() {
  folder = mkdtempSync(join(tmpdir(), 'patience-'));
  rig = controlRig();
  await rig.load({ 'a.yaml': zoneText('a.test', 'records: { www: { type: A, value: 192.0.2.1 } }\n') });
  let finish = () => {};
  const gate = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const inline = new InlineSimulator();
  const simulator: Simulator = {
    run: async (base, question) => {
      await gate;
      return inline.run(base, question);
    },
    close: async () => {},
  };
  const editor = {
    remove: async () => {
      await gate;
      return { outcome: 'refused', code: 'not_found', message: 'gone' };
    },
  } as unknown as ZoneEditor;
  audit = await AuditLog.open(join(folder, 'audit.log'), { log: { error() {} } });
  api = await apiOn(rig, { modules: { simulator, editor, audit, idleMs: IDLE_MS } });
  const address = await api.listen({ host: '127.0.0.1', port: 0 });
  return { address, finish };
}

describe('a connection of the API', () => {
  it('may be silent for longer than others while its request is worked on', async () => {
    const { address, finish } = await slowApi();
    const asked = fetch(`${address}/v1/simulate`, {
      method: 'POST',
      headers: { authorization: 'Bearer read', 'content-type': 'application/json' },
      body: JSON.stringify({ clients: [{ name: 'www.a.test' }] }),
    });
    // Longer than the silence that ends this other connection.
    const { hostname, port } = new URL(address);
    const idle = connect(Number(port), hostname);
    await new Promise((resolve) => idle.on('close', resolve).resume());
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
    finish();
    expect((await asked).status).toBe(200);
  });

  it('that a client closed is in the audit log with the address that it had', async () => {
    const { address, finish } = await slowApi();
    const ended = new AbortController();
    const asked = fetch(`${address}/v1/zones/a.test`, {
      method: 'DELETE',
      headers: { authorization: 'Bearer zones', 'if-match': '*' },
      signal: ended.signal,
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    ended.abort();
    await expect(asked).rejects.toThrow();
    await new Promise((resolve) => setTimeout(resolve, 100));
    finish();
    await expect
      .poll(() => audit.read({ limit: 1 }))
      .toMatchObject([{ method: 'DELETE', address: '127.0.0.1', status: 404 }]);
  });
});
