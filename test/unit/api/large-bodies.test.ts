import { request } from 'node:http';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Api } from '../../../src/api/server.js';
import { apiOn, type ControlRig, controlRig } from '../../support/control-rig.js';

const MIB = 1024 * 1024;

let rig: ControlRig;
let api: Api;
let address = '';
beforeEach(async () => {
  rig = controlRig();
  api = await apiOn(rig, { modules: { largeBytes: 33 * MIB } });
  address = await api.listen({ host: '127.0.0.1', port: 0 });
});
afterEach(async () => {
  await api.close();
  rig.close();
});

const headers = { authorization: 'Bearer read', 'content-type': 'application/json' };
const plan = (chars: number) =>
  fetch(`${address}/v1/plan`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ text: '#'.repeat(chars) }),
  });

it('large bodies are refused while there are too many on their way, small ones are not', async () => {
  // Of unknown length: it counts as the largest that the route takes, 32 MiB.
  const slow = request(`${address}/v1/plan`, { method: 'POST', headers });
  slow.on('error', () => {});
  slow.write('{"text": "');
  const refused = expect.poll(async () => (await plan(2 * MIB)).status);
  await refused.toBe(503);
  const answer = await plan(2 * MIB);
  expect([answer.headers.get('retry-after'), await answer.json()]).toMatchObject(['1', { code: 'busy' }]);
  expect((await plan(1000)).status).toBe(200);
  slow.destroy();
  await expect.poll(async () => (await plan(2 * MIB)).status).toBe(200);
  // What was answered does not count any more.
  for (let i = 0; i < 20; i++) expect((await plan(2 * MIB)).status).toBe(200);
});
