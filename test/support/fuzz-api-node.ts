import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { Agent, type IncomingMessage, request as requestHttp } from 'node:http';
import { join } from 'node:path';
import { temporaryFolder } from './folder.js';
import { FUZZ_ZONE, type FuzzAnswer, type FuzzTarget, MEND_EVERY } from './fuzz-api.js';
import type { FuzzRequest } from './fuzz-api-requests.js';
import { startNode, type TestNode } from './node.js';

/** So many, that the rate of a token is no matter. */
const ADMINS = 200;

/** A running node with every route that there is, asked through sockets. */
export async function fuzzNode(): Promise<FuzzTarget & { readonly node: TestNode }> {
  const folder = temporaryFolder();
  const tokens = join(folder, 'tokens.yaml');
  const names = [
    ...Array.from({ length: ADMINS }, (_, i) => [`admin${i}`, 'admin'] as const),
    ...(['read', 'operate', 'zones', 'report'] as const).map((role) => [role, role] as const),
    ['bound', 'report'] as const,
  ];
  const lines = names.map(([name, role]) => `  - { name: ${name}, role: ${role}, sha256: ${digest(name)} }`);
  writeFileSync(tokens, `tokens:\n${lines.join('\n')}\n`, { mode: 0o600 });
  mkdirSync(join(folder, 'state'));
  for (const name of ['admin', 'report'])
    writeFileSync(join(folder, 'state', `${name}.token`), name, { mode: 0o600 });
  const zones = {
    'fuzz.test.yaml': FUZZ_ZONE,
    'spare.test.yaml': FUZZ_ZONE.replaceAll('fuzz.test', 'spare.test'),
  };
  const node = await startNode({ folder, config: { api: { tokens } }, zones });
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  let sent = 0;
  return {
    node,
    async send(request) {
      if (++sent % MEND_EVERY === 0)
        for (const [file, text] of Object.entries(zones)) node.writeZone(file, text);
      const { authorization } = request.headers;
      const admin = `Bearer admin${sent % ADMINS}`;
      const headers =
        authorization === 'Bearer admin' ? { ...request.headers, authorization: admin } : request.headers;
      return ask(node.api, { ...request, headers }, agent);
    },
    async close() {
      agent.destroy();
      await node.program.end();
    },
  };
}

function digest(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

async function ask(api: string, request: FuzzRequest, agent: Agent): Promise<FuzzAnswer | null> {
  const { method, url, headers, payload } = request;
  const { hostname, port } = new URL(api);
  const answer = await new Promise<IncomingMessage | null>((resolve, reject) => {
    try {
      const length = payload === undefined ? {} : { 'content-length': String(Buffer.byteLength(payload)) };
      const options = { hostname, port, path: url, method, headers: { ...headers, ...length }, agent };
      const sent = requestHttp(options, resolve);
      sent.on('error', reject);
      sent.end(payload);
    } catch (error) {
      // Characters that node does not put into a head.
      const { code = '' } = error as NodeJS.ErrnoException;
      if (/ERR_UNESCAPED_CHARACTERS|ERR_INVALID_CHAR/.test(code)) resolve(null);
      else reject(error);
    }
  });
  if (!answer) return null;
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  return {
    status: answer.statusCode ?? 0,
    headers: answer.headers,
    body: Buffer.concat(chunks).toString('utf8'),
  };
}
