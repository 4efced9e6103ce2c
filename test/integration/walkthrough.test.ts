import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { removeFolders, temporaryFolder } from '../support/folder.js';
import { freePorts } from '../support/ports.js';
import { MERIDIAN } from '../support/process.js';

const PAGE = readFileSync(resolve(import.meta.dirname, '../../docs/walkthrough.md'), 'utf8');

interface Block {
  readonly commands: string;
  /** What its output has to hold, in this order; `…` stands for anything. */
  readonly expected: readonly string[];
}

/** The commands of the page, each with the output that the page shows behind them. */
function blocksOf(page: string): readonly Block[] {
  const blocks: Block[] = [];
  for (const [, kind, text = ''] of page.matchAll(/^```(sh|text)\n([\s\S]*?)^```$/gm)) {
    if (kind === 'sh') blocks.push({ commands: text, expected: [] });
    else blocks.push({ ...blocks.pop()!, expected: text.trimEnd().split('\n') });
  }
  return blocks;
}

function pattern(line: string): RegExp {
  const parts = line
    .split('…')
    .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll(/ +/g, ' +'));
  return new RegExp(parts.join('[^\\n]*'));
}

const BLOCKS = blocksOf(PAGE);
const LIMIT_MS = 150_000;
const DONE = '@@@ block is done @@@';
let outputs: readonly string[] = [];
let code: number | null = null;

beforeAll(async () => {
  const folder = temporaryFolder();
  const wanted = ['5300', '8300', '8301', '8080', '9000', '9001'];
  const ports = await freePorts(wanted.length);
  const replaced = (text: string) =>
    wanted.reduce((now, from, i) => now.replaceAll(from, String(ports[i])), text);
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  // `meridian`, with the files that `init` writes on free ports.
  const edits = wanted.map((from, i) => `-e s/${from}/${ports[i]}/g`).join(' ');
  const wrapper = `#!/bin/sh
if [ "$1" = init ]; then
  ${process.execPath} ${MERIDIAN} "$@" && sed -i ${edits} "$2"/*.yaml "$2"/zones/*.yaml
else exec ${process.execPath} ${MERIDIAN} "$@"; fi
`;
  writeFileSync(join(bin, 'meridian'), wrapper);
  chmodSync(join(bin, 'meridian'), 0o755);
  const script = BLOCKS.map(({ commands }) => `${replaced(commands)}\necho '${DONE}'\n`).join('');
  const env = {
    HOME: folder,
    PATH: `${bin}:${process.env['PATH']}`,
    MERIDIAN_API: `http://127.0.0.1:${ports[1]}`,
  };
  // A group of its own, so that what it started ends with it.
  const shell = spawn('bash', ['-e'], { cwd: folder, env, detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
  let output = '';
  shell.stdout.on('data', (bytes) => (output += String(bytes)));
  shell.stderr.on('data', (bytes) => (output += String(bytes)));
  shell.stdin.end(script);
  const closed = new Promise((done) => shell.on('close', done));
  const late = setTimeout(() => process.kill(-shell.pid!, 'SIGKILL'), LIMIT_MS);
  code = await new Promise((done) => shell.on('exit', done));
  clearTimeout(late);
  try {
    process.kill(-shell.pid!, 'SIGKILL');
  } catch {
    // All have ended.
  }
  await closed;
  outputs = output.split(DONE);
}, LIMIT_MS + 20_000);

afterAll(() => removeFolders());

describe('the walk through a change', () => {
  it('has every part of it', () => {
    const all = BLOCKS.map(({ commands }) => commands).join('');
    for (const part of ['init', 'check', 'plan', 'apply', 'rollout start', 'history', 'rollback']) {
      expect(all).toContain(`meridian ${part} `.trimEnd());
    }
  });

  it('runs to its end, as the page has it', () => {
    expect({ code, last: outputs.at(-1) }).toEqual({ code: 0, last: '\n' });
    expect(outputs).toHaveLength(BLOCKS.length + 1);
  });

  it.each(BLOCKS.map((block, i) => [block.commands.split('\n')[0], block, i] as const))(
    '%s prints what the page shows',
    (_, { expected }, i) => {
      let rest = outputs[i] ?? '';
      for (const line of expected) {
        const found = pattern(line).exec(rest);
        expect(found, `${line}\nis not in\n${rest}`).not.toBeNull();
        rest = rest.slice(found!.index + found![0].length);
      }
    },
  );
});
