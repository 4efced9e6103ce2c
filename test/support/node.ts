import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from './folder.js';
import { writeMmdb } from './mmdb-writer.js';
import { type Program, startMeridian } from './process.js';

export interface NodeOptions {
  /** Zone files by name. */
  readonly zones?: Readonly<Record<string, string>>;
  /** Sections of meridian.yaml beside node, dns.listen and api.listen. */
  readonly config?: {
    readonly node?: { readonly name: string; readonly region?: string };
    readonly dns?: object;
    readonly geo?: object;
    readonly api?: object;
    readonly acme?: object;
    readonly report_to?: readonly object[];
  };
  readonly env?: Readonly<Record<string, string>>;
  /** Of Node.js. */
  readonly flags?: readonly string[];
  readonly folder?: string;
}

/** `meridian serve` as another process, on free ports of loopback, with everything in a folder of its own. */
export interface TestNode {
  readonly program: Program;
  readonly folder: string;
  /** Ports of 127.0.0.1 and ::1. */
  readonly port: number;
  readonly portV6: number;
  /** Of DNS over TLS and HTTPS, at 127.0.0.1; 0 where it is not served. */
  readonly dot: number;
  readonly doh: number;
  readonly api: string;
  readonly tokens: { readonly admin: string; readonly report: string };
  writeZone(file: string, text: string): void;
  get(path: string): Promise<unknown>;
  report(body: object, token?: string): Promise<Response>;
  /** The value of one time series, named as in the text format; 0 if it is not there. */
  metric(series: string): Promise<number>;
}

type Listening = readonly { readonly host: string; readonly port: number }[];

interface Serving {
  readonly listen: Listening;
  readonly dot?: Listening;
  readonly doh?: Listening;
  readonly api: { readonly port: number };
}

const TINY = writeMmdb([{ prefix: '192.0.2.0/24', data: { country: { iso_code: 'DE' } } }]);

/** The node has a geo database that knows next to nothing, unless `config.geo` names another. */
export async function startNode(options: NodeOptions = {}): Promise<TestNode> {
  const folder = options.folder ?? temporaryFolder();
  const { node, dns, geo, api, acme, report_to = [] } = options.config ?? {};
  const config = {
    node: node ?? { name: 'dns-test' },
    dns: { listen: ['127.0.0.1:0', '[::1]:0'], workers: 1, ...dns },
    api: { listen: '127.0.0.1:0', ...api },
    ...(acme && { acme }),
    report_to,
    // A tiny database, for a start in half the time.
    geo: geo ?? { database: './tiny.mmdb' },
  };
  if (!geo) writeFileSync(join(folder, 'tiny.mmdb'), TINY);
  writeFileSync(join(folder, 'meridian.yaml'), JSON.stringify(config));
  mkdirSync(join(folder, 'zones'), { recursive: true });
  const writeZone = (file: string, text: string) => writeFileSync(join(folder, 'zones', file), text);
  for (const [file, text] of Object.entries(options.zones ?? {})) writeZone(file, text);
  const program = await startMeridian(['serve'], /"msg":"serving"/, {
    cwd: folder,
    ...(options.env && { env: options.env }),
    ...(options.flags && { flags: options.flags }),
  });
  const line = program.output.split('\n').find((text) => text.includes('"msg":"serving"'));
  const serving = JSON.parse(line ?? '') as Serving;
  return testNode(program, folder, serving, writeZone);
}

function testNode(
  program: Program,
  folder: string,
  { listen, dot = [], doh = [], api: { port } }: Serving,
  writeZone: TestNode['writeZone'],
): TestNode {
  const api = `http://127.0.0.1:${port}`;
  const token = (role: string) => readFileSync(join(folder, 'state', `${role}.token`), 'utf8').trim();
  const tokens = { admin: token('admin'), report: token('report') };
  const get = async (path: string) => {
    const response = await fetch(`${api}${path}`, { headers: { authorization: `Bearer ${tokens.admin}` } });
    return response.json();
  };
  return {
    program,
    folder,
    port: listen.find(({ host }) => host === '127.0.0.1')?.port ?? 0,
    portV6: listen.find(({ host }) => host === '::1')?.port ?? 0,
    dot: dot.find(({ host }) => host === '127.0.0.1')?.port ?? 0,
    doh: doh.find(({ host }) => host === '127.0.0.1')?.port ?? 0,
    api,
    tokens,
    writeZone,
    get,
    report: (body, token = tokens.report) =>
      fetch(`${api}/v1/reports`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
    async metric(series) {
      const text = await (await fetch(`${api}/metrics`)).text();
      const line = text.split('\n').find((row) => row.startsWith(`${series} `));
      return line === undefined ? 0 : Number(line.slice(series.length + 1));
    },
  };
}
