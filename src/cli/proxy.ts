import { type Command, InvalidArgumentError } from 'commander';
import { type ApiOptions, getJson, postJson, withApiOptions } from './api-client.js';
import { CommandError, EXIT } from './exit.js';
import { print } from './output.js';
import { PROXY_API } from './proxy-api.js';
import { addProxyCheck } from './proxy-check.js';
import { addProxyEvents } from './proxy-events.js';
import { type LimitFacts, limitTables } from './proxy-limits-text.js';
import { addProxyRollout } from './proxy-rollout.js';
import { formatTable } from './table.js';
import { timeText } from './time-text.js';
import { type WatchOptions, watch, withWatch } from './watch.js';

interface Endpoint {
  readonly address: string;
  readonly state: string;
  readonly detail: string;
  readonly weight: number;
  readonly configured_weight?: number;
  readonly in_flight: number;
  readonly connections: number;
  readonly idle: number;
  readonly requests: number;
  readonly errors: number;
  readonly connect_failures: number;
}

interface Pool extends Pick<LimitFacts['pools'][number], 'maintenance_order'> {
  readonly name: string;
  readonly balance: string;
  readonly healthy: number;
  readonly panic: boolean;
  /** Absent: an older proxy. */
  readonly fail?: 'open' | 'secure';
  readonly maintenance?: boolean;
  readonly in_flight: number;
  readonly queued: number;
  readonly endpoints: readonly Endpoint[];
}

interface ProxyStatus extends Omit<LimitFacts, 'pools'> {
  readonly node: { readonly name: string; readonly region: string };
  readonly version: string;
  readonly started: string;
  readonly workers: number;
  readonly state: string;
  readonly reason?: string;
  readonly configuration: {
    readonly hash: string;
    readonly since: string;
    readonly problems: readonly string[];
    readonly waiting_for_restart: readonly string[];
  };
  readonly listeners: readonly {
    readonly listener: string;
    readonly connections: number;
    readonly active: number;
    readonly refused: number;
  }[];
  readonly pools: readonly Pool[];
  readonly reports: readonly {
    readonly url: string;
    readonly sent: number;
    readonly failed: number;
    readonly last_error: string | null;
  }[];
}

/** `meridian proxy check`, `status`, `drain`, `resume`, `weight`, `breaker`, `maintenance`, `rollout` and `events`, below the command that runs a proxy. */
export function addProxyCommands(proxy: Command): void {
  const status = proxy
    .command('status')
    .description('show what a running proxy does: pools, endpoints, listeners');
  withApiOptions(withWatch(status), PROXY_API).action(async (options: ApiOptions & WatchOptions) => {
    await watch(() => readStatus(options), options, format);
  });
  addOrder(proxy, 'drain', 'take an endpoint out: nothing new goes to it, what is in progress goes on');
  addOrder(proxy, 'resume', 'take an endpoint back in');
  const weight = proxy
    .command('weight')
    .description("set an endpoint's weight until the proxy restarts")
    .argument('<pool>')
    .argument('<endpoint>', 'address and port, as `meridian proxy status` shows it')
    .argument('<weight>', '0 to 1000, or `reset` for that of the configuration', parseWeight);
  withApiOptions(weight, PROXY_API).action(
    async (pool: string, endpoint: string, value: number | null, options: ApiOptions) => {
      await order(pool, endpoint, 'weight', options, { weight: value });
    },
  );
  addBreaker(proxy);
  addProxyCheck(proxy);
  addMaintenance(proxy);
  addProxyRollout(proxy);
  addProxyEvents(proxy);
}

function addBreaker(proxy: Command): void {
  const breaker = proxy
    .command('breaker')
    .description("keep an endpoint's circuit breaker open or closed until the proxy restarts")
    .argument('<pool>')
    .argument('<endpoint>', 'address and port, as `meridian proxy status` shows it')
    .argument('<state>', '`open`, `closed`, or `auto`: its answers decide again', parseBreaker);
  withApiOptions(breaker, PROXY_API).action(
    async (pool: string, endpoint: string, state: string, options: ApiOptions) => {
      await order(pool, endpoint, 'breaker', options, { state });
    },
  );
}

function addMaintenance(proxy: Command): void {
  const command = proxy
    .command('maintenance')
    .description('put a pool into maintenance, or take it out: its requests get the fallback')
    .argument('<pool>')
    .argument('<state>', '`on`, `off`, or `auto`: as the configuration says', parseMaintenance)
    .option('-m, --reason <text>', 'why; shown in the status, and kept in the log');
  withApiOptions(command, PROXY_API).action(
    async (pool: string, on: boolean | null, options: ApiOptions & { readonly reason?: string }) => {
      const body = { on, ...(options.reason !== undefined && { why: options.reason }) };
      const done = await postJson(`/v1/pools/${encodeURIComponent(pool)}/maintenance`, body, options);
      print(done as { readonly maintenance: boolean; readonly in_flight: number }, options, (now) => {
        const back = now.maintenance ? `; back: meridian proxy maintenance ${pool} off` : '';
        const state = now.maintenance ? 'in maintenance' : 'in use';
        return `pool ${pool} is ${state}, ${now.in_flight} in progress${back}`;
      });
    },
  );
}

function parseMaintenance(text: string): boolean | null {
  const states: Readonly<Record<string, boolean | null>> = { on: true, off: false, auto: null };
  const state = states[text];
  if (state === undefined) throw new InvalidArgumentError('want on, off or auto.');
  return state;
}

function parseBreaker(text: string): string {
  if (!['open', 'closed', 'auto'].includes(text)) {
    throw new InvalidArgumentError('want open, closed or auto.');
  }
  return text;
}

function addOrder(proxy: Command, name: 'drain' | 'resume', description: string): void {
  const command = proxy
    .command(name)
    .description(description)
    .argument('<pool>')
    .argument('<endpoint>', 'address and port, as `meridian proxy status` shows it');
  withApiOptions(command, PROXY_API).action(async (pool: string, endpoint: string, options: ApiOptions) => {
    await order(pool, endpoint, name, options);
  });
}

async function order(
  pool: string,
  endpoint: string,
  action: 'drain' | 'resume' | 'weight' | 'breaker',
  options: ApiOptions,
  body?: object,
): Promise<void> {
  const path = `/v1/pools/${encodeURIComponent(pool)}/endpoints/${encodeURIComponent(endpoint)}/${action}`;
  const done = (await postJson(path, body, options)) as {
    readonly state?: string;
    readonly weight?: number;
    readonly in_flight?: number;
  };
  print(done, options, ({ state, weight, in_flight: count }) => {
    return `${endpoint} of pool ${pool}: ${state}, weight ${weight}, ${count} in progress`;
  });
}

function parseWeight(text: string): number | null {
  if (text === 'reset') return null;
  const weight = Number(text);
  if (!/^\d{1,4}$/.test(text) || weight > 1000) throw new InvalidArgumentError('want 0 to 1000, or reset.');
  return weight;
}

async function readStatus(options: ApiOptions): Promise<ProxyStatus> {
  const status = (await getJson('/v1/status', options)) as Partial<ProxyStatus>;
  if (!isProxyStatus(status)) throw new CommandError('the server is not a Meridian proxy', EXIT.UNREACHABLE);
  return status;
}

function isProxyStatus(status: Partial<ProxyStatus>): status is ProxyStatus {
  return typeof status.node === 'object' && Array.isArray(status.pools) && status.configuration !== undefined;
}

function format(status: ProxyStatus): string {
  const { node, version, workers, state, reason, configuration, pools } = status;
  const why = reason === undefined ? '' : ` (${reason})`;
  const parts = [
    `${node.name} in ${node.region}: Meridian ${version}, ${workers} worker(s), ${state}${why}`,
    `configuration ${configuration.hash} since ${timeText(configuration.since)}`,
    '',
    formatTable(ENDPOINT_HEADING, pools.flatMap(endpointRows)),
  ];
  if (status.listeners.length > 0) {
    const rows = status.listeners.map(({ listener, active, connections, refused }) => [
      ...[listener, String(active), String(connections), String(refused)],
    ]);
    parts.push('', formatTable(['LISTENER', 'OPEN', 'CONNECTIONS', 'REFUSED'], rows));
  }
  for (const table of limitTables(status)) parts.push('', table);
  if (status.reports.length > 0) {
    const rows = status.reports.map(({ url, sent, failed, last_error }) => [
      ...[url, String(sent), String(failed), last_error ?? ''],
    ]);
    parts.push('', formatTable(['REPORTS TO', 'SENT', 'FAILED', 'LAST ERROR'], rows));
  }
  const { problems, waiting_for_restart: waiting } = configuration;
  if (problems.length > 0) parts.push('', 'PROBLEMS: the former configuration is in use', ...problems);
  if (waiting.length > 0) parts.push('', `WAITS FOR A RESTART: ${waiting.join(', ')}`);
  return parts.join('\n');
}

const ENDPOINT_HEADING = [
  'POOL',
  'ENDPOINT',
  'STATE',
  'WEIGHT',
  'NOW',
  'REQUESTS',
  'ERRORS',
  'UNREACHED',
  'CHECK',
];

function endpointRows(pool: Pool): string[][] {
  const notes = [
    ...(pool.fail === undefined ? [] : [pool.fail === 'open' ? 'fails open' : 'fails secure']),
    ...(pool.maintenance ? ['maintenance'] : []),
    ...(pool.panic ? ['panic'] : []),
    ...(pool.queued > 0 ? [`${pool.queued} queued`] : []),
  ];
  return pool.endpoints.map((endpoint, i) => [
    i > 0 ? '' : [pool.name, ...notes].join(', '),
    endpoint.address,
    endpoint.state,
    endpoint.configured_weight === undefined
      ? String(endpoint.weight)
      : `${endpoint.weight} (of ${endpoint.configured_weight})`,
    String(endpoint.in_flight),
    String(endpoint.requests),
    String(endpoint.errors),
    String(endpoint.connect_failures),
    endpoint.detail,
  ]);
}
