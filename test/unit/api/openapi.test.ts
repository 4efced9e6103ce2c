import type { TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exampleOf, type JsonSchema } from '../../../src/api/schema-example.js';
import type { Api } from '../../../src/api/server.js';
import { type ApiDescription, operationsOf, resolved } from '../../support/api-description.js';
import { apiOn } from '../../support/control-rig.js';
import { removeFolders } from '../../support/folder.js';
import { type ZoneRig, zoneRig } from '../../support/zone-rig.js';

let rig: ZoneRig;
let api: Api;
let description: ApiDescription;
beforeAll(async () => {
  rig = await zoneRig({});
  api = await apiOn(rig, { modules: { editor: rig.editor } });
  description = (await api.inject('/openapi.json')).json() as ApiDescription;
});
afterAll(async () => {
  await api.close();
  rig.close();
  removeFolders();
});

/** What is wrong with an example: nothing, or the first mistake. */
function mistakes(schema: JsonSchema, example: unknown): readonly string[] {
  const whole = resolved(schema, description.components.schemas) as TSchema;
  if (example === undefined) return ['there is no example'];
  return [...Value.Errors(whole, example)]
    .slice(0, 3)
    .map(({ instancePath, message }) => `${instancePath} ${message}`);
}

describe('the description', () => {
  it('names each operation once, says what it does, and what it takes', () => {
    const operations = operationsOf(description);
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { method, path, operation } of operations) {
      const name = `${method} ${path}`;
      expect(operation.operationId, name).toMatch(/^[a-z][A-Za-z0-9]+$/);
      expect(operation.summary, name).toMatch(/\.$/);
      expect(operation.tags, name).toHaveLength(1);
      if (path.startsWith('/v1/')) expect(operation.security, name).toEqual([{ token: [] }]);
    }
  });

  it('has an example that fits its schema for each parameter, body and answer', () => {
    const wrong = operationsOf(description).flatMap(({ method, path, operation }) => {
      const parts = [
        ...(operation.parameters ?? []).map(({ name, schema, example }) => ({ what: name, schema, example })),
        ...[['body', operation.requestBody] as const, ...Object.entries(operation.responses)].flatMap(
          ([what, part]) =>
            Object.entries(part?.content ?? {}).map(([type, { schema, example }]) => ({
              what: `${what} ${type}`,
              schema,
              example,
            })),
        ),
      ];
      return parts.flatMap(({ what, schema, example }) =>
        schema ? mistakes(schema, example).map((mistake) => `${method} ${path} ${what}: ${mistake}`) : [],
      );
    });
    expect(wrong).toEqual([]);
  });

  it('says that every closed operation may end in a problem', () => {
    for (const { method, path, operation } of operationsOf(description)) {
      if (!operation.security) continue;
      const problems = Object.entries(operation.responses).filter(([status]) => /^[45]/.test(status));
      expect(problems.length, `${method} ${path}`).toBeGreaterThan(1);
      for (const [status, { content }] of problems) {
        expect(Object.keys(content ?? {}), `${method} ${path} ${status}`).toEqual([
          'application/problem+json',
        ]);
      }
    }
  });

  it('refuses unknown parameters of every operation', () => {
    const open = operationsOf(description).filter(
      ({ path, operation }) => path.startsWith('/v1/') && !operation.security,
    );
    expect(open).toEqual([]);
  });

  it('lets changes be repeated with a key', () => {
    const operation = description.paths['/v1/tokens']?.['post'];
    expect(operation?.parameters?.map(({ name }) => name)).toContain('Idempotency-Key');
    expect(description.paths['/v1/tokens']?.['get']?.parameters?.map(({ name }) => name)).not.toContain(
      'Idempotency-Key',
    );
  });
});

describe('/docs', () => {
  it('is whole without the internet: all that it loads comes from this server', async () => {
    const page = await api.inject('/docs/');
    expect(page.statusCode).toBe(200);
    const loaded = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, url]) => url!);
    expect(loaded.length).toBeGreaterThan(3);
    for (const url of loaded) {
      expect(url).not.toMatch(/^(?:[a-z]+:)?\/\//);
      expect((await api.inject(new URL(url, 'http://localhost/docs/').pathname)).statusCode, url).toBe(200);
    }
    const policy = String(page.headers['content-security-policy']);
    expect(policy).toMatch(/default-src 'self'/);
    expect(policy).not.toMatch(/https?:/);
    const setup = await api.inject('/docs/static/swagger-initializer.js');
    expect(setup.body).toContain('"validatorUrl":null');
    expect((await api.inject('/docs/json')).json()).toEqual(description);
  });
});

describe('exampleOf()', () => {
  it.each<[JsonSchema, unknown]>([
    [{ type: 'string', examples: ['a'], default: 'b' }, 'a'],
    [{ type: 'integer', minimum: 5, maximum: 9 }, 5],
    [{ type: 'number', exclusiveMinimum: 0, maximum: 10 }, 1],
    [{ type: 'string', pattern: '^[0-9a-f]{16}$' }, '0123456789abcdef'],
    [{ type: 'array', items: { const: 1 }, minItems: 2 }, [1, 1]],
    [{ anyOf: [{ type: 'null' }, { type: 'string' }] }, null],
    [{ $ref: '#/components/schemas/X' }, 'x'],
    [{ $ref: '#/components/schemas/Missing' }, {}],
  ])('of %j is %j', (schema, example) => {
    expect(exampleOf(schema, { X: { const: 'x' } })).toEqual(example);
  });

  it('ends where a schema holds itself', () => {
    const loop: JsonSchema = { type: 'object', properties: { next: { $ref: '#/components/schemas/L' } } };
    expect(JSON.stringify(exampleOf(loop, { L: loop })).length).toBeLessThan(1000);
  });
});
