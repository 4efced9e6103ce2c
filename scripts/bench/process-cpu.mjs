// CPU time of a process and all its threads, from /proc (user + system, seconds), and starting it on one core.
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const TICKS = Number(spawnSync('getconf', ['CLK_TCK']).stdout.toString()) || 100;

export function cpuSeconds(pid) {
  // Field 2 is the command in parentheses and may hold spaces.
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { user: Number(fields[11]) / TICKS, system: Number(fields[12]) / TICKS };
}

/** Starts a server pinned to a core, `inside` a network namespace; returns a handle that ends it. */
export function startPinned(core, command, args, { inside, ...options } = {}) {
  const place = inside === undefined ? [] : ['ip', 'netns', 'exec', inside];
  const [program, ...rest] = [...place, 'taskset', '-c', String(core), command, ...args];
  const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  let output = '';
  const keep = (data) => {
    output = (output + data).slice(-8192);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  return {
    pid: child.pid,
    output: () => output,
    ended: () => child.exitCode !== null,
    async stop() {
      if (child.exitCode !== null) return;
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
      await gone;
      clearTimeout(timer);
    },
  };
}

export function installed(program) {
  return spawnSync('sh', ['-c', `command -v ${program} || ls /usr/sbin/${program}`]).status === 0;
}
