import { afterAll, describe, expect, it } from 'vitest';
import { removeFolders } from '../support/folder.js';
import { ApiFuzz } from '../support/fuzz-api.js';
import { fuzzNode } from '../support/fuzz-api-node.js';
import { endPrograms } from '../support/process.js';

const SEED = 20_261_121;
const REQUESTS = 3000;

afterAll(async () => {
  await endPrograms();
  removeFolders();
});

describe('thousands of requests with mistakes to a running node with every route', () => {
  it('never fail it; each refusal is a problem with a known code, each answer as described; and it still serves', async () => {
    const target = await fuzzNode();
    const fuzz = await ApiFuzz.on(target, SEED);
    await fuzz.run(0, REQUESTS);
    expect([...fuzz.seen.keys()].toSorted()).toEqual(fuzz.operations.toSorted());
    expect(fuzz.operations.length).toBeGreaterThan(40);
    const reached = [...fuzz.seen].filter(([, counts]) => [...counts.keys()].some((status) => status < 300));
    const never = fuzz.operations.filter((of) => !reached.some(([operation]) => operation === of));
    expect(reached.length, `never: ${never.join(', ')}`).toBeGreaterThan(fuzz.operations.length / 2);
    expect((await fetch(`${target.node.api}/healthz`)).status).toBe(200);
    await fuzz.close();
  }, 120_000);
});
