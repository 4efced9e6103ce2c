import { writeFileSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { removeFolders, temporaryFolder } from '../support/folder.js';
import { networkUnavailable } from '../support/network-rig.js';
import { freePorts } from '../support/ports.js';
import { endPrograms, meridian, startMeridian } from '../support/process.js';
import { until } from '../support/until.js';

let backend: Server;

beforeAll(async () => {
  backend = createServer((_, response) => response.end('ok'));
  await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve));
});
afterEach(endPrograms);
afterAll(() => {
  backend.closeAllConnections();
  backend.close();
  removeFolders();
});

async function configuration(): Promise<{ file: string; port: number; admin: number }> {
  const [port, admin] = await freePorts(2);
  const file = join(temporaryFolder(), 'proxy.yaml');
  const endpoint = `127.0.0.1:${(backend.address() as AddressInfo).port}`;
  writeFileSync(
    file,
    `node: { name: p, region: r }\nworkers: 2\nio: batched\nadmin: { listen: "127.0.0.1:${admin}" }\n` +
      `listeners: [ { listen: "127.0.0.1:${port}", protocol: http, pool: web } ]\n` +
      `pools: { web: { endpoints: [ { address: "${endpoint}" } ] } }\n`,
  );
  return { file, port: port!, admin: admin! };
}

/** Asks once on a connection of its own; the status, or the code of the error. */
function ask(port: number): Promise<number | string> {
  return new Promise((resolve) => {
    const asked = request({ host: '127.0.0.1', port, agent: false, timeout: 10_000 }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
      response.on('error', (error) => resolve(error.message));
    });
    asked.on('timeout', () => asked.destroy(new Error('timeout')));
    asked.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    asked.end();
  });
}

it.skipIf(networkUnavailable !== undefined)(
  'hands over to its successor without refusing a client',
  async () => {
    const { file, port, admin } = await configuration();
    const first = await startMeridian(['proxy', '-c', file], /proxying/);
    const results: (number | string)[] = [];
    let asking = true;
    const clients = Array.from({ length: 6 }, async () => {
      while (asking) results.push(await ask(port));
    });
    await until('the first answers', () => results.length > 50);
    const second = await startMeridian(['proxy', '-c', file, '--replace', String(first.pid)], /proxying/);
    expect((await first.ended).code).toBe(0);
    const before = results.length;
    await until('answers of the second one', () => results.length > before + 50);
    asking = false;
    await Promise.all(clients);
    expect(results.filter((result) => result !== 200)).toEqual([]);
    await until('the administration of the second one', async () => (await ask(admin)) === 404);
    expect((await second.end()).code).toBe(0);
  },
);

it('says so when there is nothing to replace', async () => {
  const { file } = await configuration();
  const ended = await meridian(['proxy', '-c', file, '--replace', '4194303']);
  expect(ended.code).not.toBe(0);
  expect(ended.stderr).toContain('there is no process 4194303 that can be replaced: ESRCH');
});
