import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { jsonMistake } from '../../../src/api/json-body.js';
import type { Api } from '../../../src/api/server.js';
import { apiOn, type ControlRig, controlRig } from '../../support/control-rig.js';

describe('jsonMistake()', () => {
  it.each<[string, number, number, string]>([
    ['', 1, 1, 'the text ends here, want a value'],
    ['{', 1, 2, 'the text ends here, want a key in double quotes'],
    ['{\n  "a": 1,\n}', 3, 1, '`}`, want a key in double quotes'],
    ['{"a" 1}', 1, 6, '`1`, want `:`'],
    ['{"a": nope}', 1, 7, '`n`, want a value'],
    ['{"a": 01}', 1, 8, '`1`, want `,` or `}`'],
    ['[1\n 2]', 2, 2, '`2`, want `,` or `]`'],
    ['[1,]', 1, 4, '`]`, want a value'],
    ['{} {}', 1, 4, '`{`, want the end'],
    ['["a\nb"]', 1, 2, 'a string that does not end on its line'],
    ['["\\x"]', 1, 2, 'a wrong escape'],
    ['[\u0007]', 1, 2, 'U+0007'],
  ])('finds the place in %j', (text, line, column, message) => {
    const mistake = jsonMistake(text);
    expect(mistake).toMatchObject({ path: 'body', line, column });
    expect(mistake.message).toContain(message);
  });

  it('finds one exactly where JSON.parse does', () => {
    const broken = fc
      .tuple(fc.json(), fc.nat(), fc.string({ maxLength: 3 }))
      .map(
        ([text, at, more]) =>
          text.slice(0, at % (text.length + 1)) + more + text.slice((at % (text.length + 1)) + 1),
      );
    fc.assert(
      fc.property(fc.oneof(broken, fc.json(), fc.string()), (text) => {
        expect(jsonMistake(text).line !== undefined).toBe(!isJson(text));
      }),
    );
  });

  it('needs no stack', () => {
    expect(jsonMistake('['.repeat(1_000_000))).toMatchObject({ line: 1, column: 1_000_001 });
  });
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe('a body that is no JSON', () => {
  let rig: ControlRig;
  let api: Api;
  beforeEach(async () => {
    rig = controlRig();
    api = await apiOn(rig);
  });
  afterEach(async () => {
    await api.close();
    rig.close();
  });

  it.each([
    ['PUT', '/v1/steering', '{\n  "forces": {},,\n}', 2, 16],
    ['POST', '/v1/simulate', '', 1, 1],
    ['POST', '/v1/steering/maintenance', '{"target": a}', 1, 12],
  ] as const)('%s %s: 400 with line and column', async (method, url, payload, line, column) => {
    const headers = { authorization: 'Bearer admin', 'content-type': 'application/json' };
    const { statusCode, json } = await api.inject({ method, url, headers, payload });
    expect([statusCode, json()]).toMatchObject([
      400,
      { code: 'bad_request', problems: [{ path: 'body', line, column }] },
    ]);
  });

  it('says of a key that could do harm that it is not taken', async () => {
    const headers = { authorization: 'Bearer admin', 'content-type': 'application/json' };
    const payload = '{"__proto__": {}}';
    const { statusCode, json } = await api.inject({ method: 'POST', url: '/v1/simulate', headers, payload });
    expect([statusCode, json().detail]).toEqual([
      400,
      'the body has a key such as __proto__, which is not taken',
    ]);
  });
});
