import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { removeFolders } from '../support/folder.js';
import { ApiFuzz } from '../support/fuzz-api.js';

const SEED = 20_261_121;
const REQUESTS = 6000;

let fuzz: ApiFuzz;
beforeAll(async () => {
  fuzz = await ApiFuzz.inProcess(SEED);
});
afterAll(async () => {
  await fuzz.close();
  removeFolders();
});

describe('thousands of requests made from the description, with mistakes', () => {
  it('never fail the server; each refusal is a problem with a known code, each answer as described', async () => {
    await fuzz.run(0, REQUESTS);
    expect([...fuzz.seen.keys()].toSorted()).toEqual(fuzz.operations.toSorted());
  }, 60_000);

  it('reach the handlers: most operations succeed at times, and each is refused at times', () => {
    const statuses = [...fuzz.seen].map(([of, counts]) => [of, [...counts.keys()]] as const);
    // The secrets that /update takes are in no description.
    const asked = statuses.filter(([of]) => of !== 'POST /update');
    const never = asked.filter(([, seen]) => !seen.some((status) => status < 300)).map(([of]) => of);
    expect(never.length, never.join(', ')).toBeLessThan(fuzz.operations.length * 0.4);
    expect(never).not.toContain('DELETE /v1/acme/accounts/{username}');
    for (const code of [
      'invalid_request',
      'bad_request',
      'unauthorized',
      'forbidden',
      'not_found',
      'too_large',
    ]) {
      expect([...fuzz.codes]).toContain(code);
    }
  });
});
