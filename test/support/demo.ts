import { join } from 'node:path';
import { freePorts } from './ports.js';
import { type Program, startMeridian } from './process.js';
import { processorMs } from './processor-time.js';

export interface TestDemo {
  readonly program: Program;
  readonly ports: Readonly<Record<DemoPort, number>>;
  /** From the start of the process to its introduction: milliseconds, and how many of them it worked. */
  readonly startedInMs: number;
  readonly startedWithMs: number;
  readonly state: string;
  /** Stops or starts the endpoints of a region, with the demo's own switch. */
  turn(region: string, action: 'stop' | 'start'): Promise<void>;
}

export type DemoPort = (typeof FLAGS)[number];

const FLAGS = [
  'dns-port',
  'api-port',
  'http-port',
  'endpoint-port',
  'proxy-admin-port',
  'switch-port',
] as const;

export async function demoPorts(): Promise<Readonly<Record<DemoPort, number>>> {
  const ports = await freePorts(FLAGS.length);
  return Object.fromEntries(FLAGS.map((flag, i) => [flag, ports[i]])) as Record<DemoPort, number>;
}

export function demoArguments(ports: Readonly<Record<DemoPort, number>>, folder: string): readonly string[] {
  const flags = Object.entries(ports).flatMap(([flag, port]) => [`--${flag}`, String(port)]);
  return ['demo', ...flags, '--state', join(folder, 'state')];
}

/** `meridian demo` as another process, on free ports. */
export async function startDemo(folder: string, zones?: string): Promise<TestDemo> {
  const ports = await demoPorts();
  const fromMs = performance.now();
  const args = [...demoArguments(ports, folder), ...(zones === undefined ? [] : ['--zones', zones])];
  const program = await startMeridian(args, /Ctrl-C ends everything/);
  return {
    program,
    ports,
    startedInMs: performance.now() - fromMs,
    startedWithMs: processorMs(program.pid),
    state: join(folder, 'state'),
    async turn(region, action) {
      const url = `http://127.0.0.1:${ports['switch-port']}/${region}/${action}`;
      const response = await fetch(url, { method: 'POST' });
      if (!response.ok) throw new Error(`${url}: ${response.status}`);
    },
  };
}
