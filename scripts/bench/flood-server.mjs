// `meridian serve` in a folder of its own, on free ports of loopback, for floods and fuzzing.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const START_MS_MAX = 30_000;

/** Starts the built program, `inside` a network namespace; `zones` maps names to texts. `memory()` is its resident size, bytes. */
export async function startServer({ io, zones, dns = {}, host = '127.0.0.1', inside }) {
  const folder = mkdtempSync(join(tmpdir(), 'meridian-flood-'));
  mkdirSync(join(folder, 'zones'));
  for (const [name, text] of Object.entries(zones))
    writeFileSync(join(folder, 'zones', `${name}.yaml`), text);
  const config = {
    node: { name: 'flood' },
    dns: { listen: [`${host}:0`], workers: 1, io, ...dns },
    api: { listen: '127.0.0.1:0' },
    geo: { database: 'embedded' },
  };
  writeFileSync(join(folder, 'meridian.yaml'), JSON.stringify(config));
  const place = inside === undefined ? [] : ['ip', 'netns', 'exec', inside];
  const line = [...place, process.execPath, 'dist/main.js', 'serve', '-c', join(folder, 'meridian.yaml')];
  const child = spawn(line[0], line.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
  const { listen, api } = await serving(child);
  return {
    port: listen[0].port,
    memory: () =>
      Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1] ?? 0) * 1024,
    async metric(series) {
      const text = await (await fetch(`http://127.0.0.1:${api.port}/metrics`)).text();
      const line = text.split('\n').find((row) => row.startsWith(`${series} `));
      return line === undefined ? 0 : Number(line.slice(series.length + 1));
    },
    async close() {
      const ended = new Promise((done) => child.once('exit', done));
      if (child.exitCode === null) child.kill('SIGTERM');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The fields of the line that says where it listens. */
function serving(child) {
  let output = '';
  return new Promise((done, fail) => {
    const timer = setTimeout(() => fail(new Error(`not serving: ${output}`)), START_MS_MAX);
    const onData = (text) => {
      output += text;
      const line = output.split('\n').find((row) => row.includes('"msg":"serving"') && row.endsWith('}'));
      if (!line) return;
      clearTimeout(timer);
      done(JSON.parse(line));
      child.stdout.off('data', onData).resume();
      child.stderr.off('data', onData).resume();
    };
    child.stdout.setEncoding('utf8').on('data', onData);
    child.stderr.setEncoding('utf8').on('data', onData);
    child.once('exit', () => fail(new Error(`the server ended: ${output}`)));
  });
}
