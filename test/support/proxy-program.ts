import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from './folder.js';
import { type Program, startMeridian } from './process.js';

/** Every test of the program runs on both. */
export const TIERS = ['batched', 'portable'] as const;

export interface ProxyProgramOptions {
  readonly io: (typeof TIERS)[number];
  /** Ports of the endpoints of pool `web`, on loopback. */
  readonly ports: readonly number[];
  readonly protocol?: 'http' | 'tcp';
  /** Keys of proxy.yaml, such as `{ header: '300ms' }`. */
  readonly timeouts?: Readonly<Record<string, string>>;
  readonly limits?: Readonly<Record<string, number>>;
  readonly pool?: object;
  readonly listener?: object;
  /** Further top-level keys. */
  readonly more?: object;
}

/** `meridian proxy` as another process, with one listener in front of one pool. */
export interface ProxyProgram {
  readonly program: Program;
  readonly port: number;
  readonly admin: string;
  /** Sum over all series of a metric, `meridian_proxy_` left out; `labels` must be in the series. */
  metric(name: string, ...labels: readonly string[]): Promise<number>;
  /** Resident memory of the process, bytes. */
  residentBytes(): number;
}

const running: Program[] = [];

/** Ends all of them at once, without a drain. */
export async function endProxyPrograms(): Promise<void> {
  await Promise.all(running.splice(0).map((program) => program.end('SIGKILL')));
}

/** Starts the built program. End it with `endProxyPrograms()`. */
export async function startProxyProgram(options: ProxyProgramOptions): Promise<ProxyProgram> {
  const { io, ports, protocol = 'http', timeouts, limits, pool, listener, more } = options;
  const file = join(temporaryFolder(), 'proxy.yaml');
  const endpoints = ports.map((port) => ({ address: `127.0.0.1:${port}` }));
  const config = {
    node: { name: 'proxy-test', region: 'test' },
    workers: 1,
    io,
    admin: { listen: '127.0.0.1:0' },
    listeners: [{ listen: '127.0.0.1:0', protocol, pool: 'web', ...listener }],
    pools: { web: { endpoints, ...pool } },
    ...(timeouts && { timeouts }),
    ...(limits && { limits }),
    ...more,
  };
  writeFileSync(file, JSON.stringify(config));
  const program = await startMeridian(['proxy', '-c', file], /"msg":"proxying"/);
  running.push(program);
  const line = program.output.split('\n').find((text) => text.includes('"msg":"proxying"')) ?? '';
  const { ports: open, admin } = JSON.parse(line) as { readonly ports: number[]; readonly admin: number };
  const url = `http://127.0.0.1:${admin}`;
  return {
    program,
    port: open[0]!,
    admin: url,
    metric: async (name, ...labels) => sumOf(await (await fetch(`${url}/metrics`)).text(), name, labels),
    residentBytes: () => residentBytes(program.pid),
  };
}

function sumOf(text: string, name: string, labels: readonly string[]): number {
  let sum = 0;
  for (const line of text.split('\n')) {
    const series = /^meridian_proxy_([a-z0-9_]+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (series?.[1] !== name || !labels.every((label) => series[2]?.includes(label))) continue;
    sum += Number(series[3]);
  }
  return sum;
}

function residentBytes(pid: number): number {
  return 1024 * Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}
