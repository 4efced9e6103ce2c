import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { run } from '../support/process.js';
import { TIERS } from '../support/proxy-program.js';

const SOAK = join(resolve(import.meta.dirname, '../..'), 'scripts/soak-proxy.mjs');
const REQUESTS = 10_000;

interface Tally {
  readonly requests: number;
  readonly ok: number;
  readonly refused: number;
  readonly broken: number;
  readonly wrong: number;
  readonly kills: number;
}

describe('thousands of requests through an endpoint that is killed and revived', () => {
  it.each(TIERS)('with io: %s each get their own answer, whole, or none', async (io) => {
    const args = ['--requests', String(REQUESTS), '--io', io, '--kill-every', '700'];
    const { stdout, stderr, code } = await run(process.execPath, [SOAK, ...args]);
    expect(code, stderr).toBe(0);
    const tally = JSON.parse(stdout.trim().split('\n').at(-1)!) as Tally;
    expect(tally).toMatchObject({ requests: REQUESTS, wrong: 0 });
    expect(tally.ok + tally.refused + tally.broken).toBe(REQUESTS);
    expect(tally.ok).toBeGreaterThan(REQUESTS / 2);
    // Otherwise it was no test of what it is for.
    expect(tally.kills).toBeGreaterThan(0);
    expect(tally.refused + tally.broken).toBeGreaterThan(0);
  });
});
