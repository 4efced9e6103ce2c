import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PROBLEM_KINDS, type ProblemKind } from '../../../src/api/problem-codes.js';
import type { Api } from '../../../src/api/server.js';
import { EVENT_TYPES } from '../../../src/control/event-bus.js';
import { apiOn } from '../../support/control-rig.js';
import { removeFolders } from '../../support/folder.js';
import { type ZoneRig, zoneRig } from '../../support/zone-rig.js';
import { page, ROOT, tableRows } from './pages.js';

const API = page('docs/api.md');
const plain = (cell: string | undefined) => (cell ?? '').replace(/^`|`$/g, '');

let rig: ZoneRig;
let api: Api;
beforeAll(async () => {
  rig = await zoneRig({});
  api = await apiOn(rig, { modules: { editor: rig.editor } });
});
afterAll(async () => {
  await api.close();
  rig.close();
  removeFolders();
});

/** Of `PUT`, `PATCH /v1/x?y=…`, `GET /v1/z`: each method with its path. */
function routesIn(cell: string): readonly string[] {
  const routes: string[] = [];
  let waiting: string[] = [];
  for (const [, method = '', path] of cell.matchAll(/`([A-Z]+)(?: (\/[^?`]*))?[^`]*`/g)) {
    waiting.push(method);
    if (path === undefined) continue;
    routes.push(...waiting.map((one) => `${one} ${path}`));
    waiting = [];
  }
  return routes;
}

describe('docs/api.md', () => {
  it('lists each code of a problem with what it means, and no other', () => {
    const rows = tableRows(API, '## Problems').map(([code, status, meaning, action]) => [
      ...[plain(code), Number(status), meaning, action],
    ]);
    const kinds = Object.entries<ProblemKind>(PROBLEM_KINDS);
    expect(rows).toEqual(kinds.map(([code, { status, meaning, action }]) => [code, status, meaning, action]));
  });

  it('lists each type of event, and no other', () => {
    const rows = tableRows(API, '## Events').map(([type, says]) => [plain(type), says]);
    expect(rows).toEqual(Object.entries(EVENT_TYPES));
  });

  it('has a row for each route', async () => {
    const rows = [...API.text.matchAll(/^\|([^|]*`[A-Z]+[ `][^|]*)\|/gm)].flatMap(([, cell = '']) =>
      routesIn(cell),
    );
    const { paths } = (await api.inject('/openapi.json')).json() as { paths: Record<string, object> };
    const routes = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(routes.length).toBeGreaterThan(10);
    expect(routes.filter((route) => !rows.includes(route))).toEqual([]);
  });
});

describe('the codes of problems', () => {
  const sources = readdirSync(join(ROOT, 'src/api'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.name.endsWith('.ts'))
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'))
    .join('\n');

  it('are registered, each with the status that it is sent with', () => {
    const sent = [...sources.matchAll(/sendProblem\(\s*reply,\s*(\d{3}),\s*'(\w+)'/g)];
    expect(sent.length).toBeGreaterThan(10);
    const kinds: Readonly<Record<string, ProblemKind>> = PROBLEM_KINDS;
    const wrong = sent
      .map(([, status, code]) => `${status} ${code}`)
      .filter((text) => `${kinds[text.slice(4)]?.status} ${text.slice(4)}` !== text);
    expect([...new Set(wrong)]).toEqual([]);
  });
});
