import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { StickySecrets } from '../../../src/compose/sticky-secrets.js';
import { DEFAULT_LIMITS, DEFAULT_TIMEOUTS, type ProxyModel } from '../../../src/core/balance/model.js';

const folder = mkdtempSync(join(tmpdir(), 'meridian-'));
const MODEL: ProxyModel = {
  node: { name: 'p', region: 'r' },
  ...{ workers: 1, io: 'auto', reportTo: [], admin: null, listeners: [], pools: [] },
  timeouts: DEFAULT_TIMEOUTS,
  limits: DEFAULT_LIMITS,
};
const QUIET = { info() {}, warn() {}, error() {} };

function fileOf(text: string, mode = 0o600): string {
  const file = join(folder, `${Math.abs(text.length * 31 + mode)}-${text.slice(0, 4)}`);
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
}

const open: StickySecrets[] = [];
afterAll(() => {
  for (const secrets of open.splice(0)) secrets.close();
  rmSync(folder, { recursive: true, force: true });
});

function newSecrets(): StickySecrets {
  const secrets = new StickySecrets(QUIET);
  open.push(secrets);
  return secrets;
}

describe('StickySecrets', () => {
  it('are random without a file, and those of the file with one', async () => {
    const [one, other] = [newSecrets(), newSecrets()];
    expect(await one.use(MODEL)).toEqual([]);
    expect([...one.memory.keys]).not.toEqual([...other.memory.keys]);
    const { keys } = one.memory;
    const file = fileOf(`${'01'.repeat(16)}\n${'02'.repeat(16)} # old\n`);
    expect(await one.use({ ...MODEL, stickySecrets: file })).toEqual([]);
    expect([...keys.subarray(0, 9)]).toEqual([2, ...Array(4).fill(0x01010101), ...Array(4).fill(0x02020202)]);
  });

  it('stay as they are when a file is refused, or named no more', async () => {
    const secrets = newSecrets();
    await secrets.use({ ...MODEL, stickySecrets: fileOf('01'.repeat(16)) });
    const before = [...secrets.memory.keys];
    for (const [text, mode, problem] of [
      ['xyz', 0o600, /^sticky_secrets: .*:1:1: must be 32 hexadecimal digits/],
      ['# none\n', 0o600, /holds no secret/],
      ['03'.repeat(16), 0o644, /sticky_secrets: /],
    ] as const) {
      const [failure] = await secrets.use({ ...MODEL, stickySecrets: fileOf(text, mode) });
      expect(failure?.message).toMatch(problem);
    }
    expect((await secrets.use({ ...MODEL, stickySecrets: join(folder, 'none') })).length).toBe(1);
    expect(await secrets.use(MODEL)).toEqual([]);
    expect([...secrets.memory.keys]).toEqual(before);
  });
});
