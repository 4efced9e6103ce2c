/** What a monitor asks, by its kind: which keys go with it, and what they mean. */
import { rcodeName, TYPE, typeName, typeNumber } from '../core/dns/iana.js';
import { parseIPv4, parseIPv6 } from '../core/dns/rdata/address.js';
import { isRdataError } from '../core/dns/rdata/codec.js';
import { rdataCodec, rdataText } from '../core/dns/rdata/table.js';
import { mayRead, mayRun } from '../core/probe/limits.js';
import type {
  BodyMatch,
  Check,
  CheckType,
  DnsCheck,
  ExecCheck,
  FileCheck,
  Hex,
  HttpCheck,
  UdpCheck,
} from '../core/zone/check.js';
import type { StatusRange } from '../core/zone/model.js';
import { patternProblem } from './body-pattern.js';
import { parseDuration } from './duration.js';
import type { Path } from './schema-problems.js';
import { type Draft, readName, report } from './zone-draft.js';
import type { FileMonitor } from './zone-schema.js';

export const HTTP_DEFAULTS = {
  path: '/',
  method: 'GET',
  status: [{ from: 200, to: 399 }],
  verify: true,
} as const;

const MAX_AGE_MS = { least: 1000, default: 60_000, most: 86_400_000 } as const;

type CheckKey = keyof FileMonitor & string;
type ExpectKey = keyof NonNullable<FileMonitor['expect']> & string;

const HTTP_KEYS: readonly CheckKey[] = ['port', 'path', 'method', 'host', 'headers', 'expect', 'source'];

/** Beside type, interval, timeout and the like, which every kind has. */
const KEYS: Readonly<Record<CheckType, readonly CheckKey[]>> = {
  tcp: ['port', 'source'],
  tls: ['port', 'host', 'verify', 'min_days', 'source'],
  http: HTTP_KEYS,
  https: [...HTTP_KEYS, 'verify'],
  http2: [...HTTP_KEYS, 'tls', 'verify'],
  grpc: ['port', 'service', 'host', 'tls', 'verify', 'source'],
  dns: ['port', 'query', 'query_type', 'protocol', 'expect', 'source'],
  icmp: ['source'],
  udp: ['port', 'send', 'expect', 'source'],
  exec: ['program', 'args'],
  file: ['path', 'max_age'],
};

const REQUIRED: Readonly<Partial<Record<CheckType, readonly CheckKey[]>>> = {
  tcp: ['port'],
  dns: ['query'],
  udp: ['port', 'send'],
  exec: ['program'],
  file: ['path'],
};

const EXPECT: Readonly<Partial<Record<CheckType, readonly ExpectKey[]>>> = {
  http: ['status', 'body'],
  https: ['status', 'body'],
  http2: ['status', 'body'],
  dns: ['rcode', 'value'],
  udp: ['bytes'],
};

/** Fields that the probe writes itself, or that would change where the request ends. */
const HEADERS_REFUSED = [
  'connection',
  'content-length',
  'expect',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

/** Reads the part of a monitor that belongs to its kind. What is wrong is reported; what comes back is complete. */
export function readCheck(draft: Draft, monitor: FileMonitor, at: Path): Check {
  reportKeys(draft, monitor, at);
  const kind = monitor.type;
  switch (kind) {
    case 'tcp':
      return { type: kind, port: monitor.port ?? 0, ...readSources(draft, monitor, at) };
    case 'tls':
      return {
        type: kind,
        port: monitor.port ?? 443,
        ...hostOf(monitor),
        verify: monitor.verify ?? true,
        minDays: monitor.min_days ?? 0,
        ...readSources(draft, monitor, at),
      };
    case 'http':
    case 'https':
    case 'http2':
      return readHttp(draft, monitor, kind, at);
    case 'grpc': {
      const tls = monitor.tls ?? true;
      return {
        type: kind,
        port: monitor.port ?? (tls ? 443 : 80),
        service: monitor.service ?? '',
        ...hostOf(monitor),
        tls,
        verify: monitor.verify ?? true,
        ...readSources(draft, monitor, at),
      };
    }
    case 'dns':
      return readDns(draft, monitor, at);
    case 'icmp':
      return { type: kind, ...readSources(draft, monitor, at) };
    case 'udp':
      return readUdp(draft, monitor, at);
    case 'exec':
      return readExec(draft, monitor, at);
    case 'file':
      return readFile(draft, monitor, at);
    default:
      kind satisfies never;
      throw new Error(`unknown type of monitor ${String(kind)}`);
  }
}

/** Keys that are missing, and keys of other kinds. */
function reportKeys(draft: Draft, monitor: FileMonitor, at: Path): void {
  const { type, expect } = monitor;
  for (const key of REQUIRED[type] ?? []) {
    if (monitor[key] !== undefined) continue;
    report(draft, at, `the key "${key}" is missing: a monitor of type ${type} has no default for it`);
  }
  const others = new Set(Object.values(KEYS).flat());
  for (const key of Object.keys(monitor) as CheckKey[]) {
    if (others.has(key) && !KEYS[type].includes(key))
      report(draft, [...at, key], forOthers(key, KEYS), 'key');
  }
  const allowed = EXPECT[type];
  if (!expect || !allowed) return;
  for (const key of Object.keys(expect) as ExpectKey[]) {
    if (!allowed.includes(key)) report(draft, [...at, 'expect', key], forOthers(key, EXPECT), 'key');
  }
}

function forOthers<K extends string>(
  key: K,
  keys: Readonly<Partial<Record<CheckType, readonly K[]>>>,
): string {
  const types = Object.entries(keys).flatMap(([type, its]) => (its?.includes(key) ? [type] : []));
  return `is for monitors of type ${types.join(', ')} only`;
}

function readHttp(draft: Draft, monitor: FileMonitor, type: HttpCheck['type'], at: Path): HttpCheck {
  const { expect, tls } = monitor;
  const plain = type === 'http' || tls === false;
  const method = monitor.method ?? HTTP_DEFAULTS.method;
  const body =
    expect?.body === undefined ? undefined : readBody(draft, expect.body, [...at, 'expect', 'body']);
  if (body && method === 'HEAD') {
    report(draft, [...at, 'expect', 'body'], 'cannot be had with the method HEAD: its response has no body');
  }
  return {
    type,
    port: monitor.port ?? (plain ? 80 : 443),
    path: monitor.path ?? HTTP_DEFAULTS.path,
    method,
    ...hostOf(monitor),
    ...readHeaders(draft, monitor.headers, [...at, 'headers']),
    status: expect?.status === undefined ? HTTP_DEFAULTS.status : [expect.status].flat().map(readStatus),
    ...(body && { body }),
    verify: monitor.verify ?? HTTP_DEFAULTS.verify,
    ...(type === 'http2' && { tls: tls ?? true }),
    ...readSources(draft, monitor, at),
  };
}

function readBody(
  draft: Draft,
  body: NonNullable<NonNullable<FileMonitor['expect']>['body']>,
  at: Path,
): BodyMatch {
  if (typeof body === 'string') return { contains: body };
  const problem = patternProblem(body.matches);
  if (problem !== undefined) report(draft, [...at, 'matches'], problem);
  return body;
}

function readHeaders(
  draft: Draft,
  headers: FileMonitor['headers'],
  at: Path,
): { readonly headers?: readonly (readonly [string, string])[] } {
  if (!headers) return {};
  for (const name of Object.keys(headers)) {
    const lower = name.toLowerCase();
    const path = [...at, name];
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/.test(name)) {
      report(draft, path, 'is no header name: 1 to 64 letters, digits and a few signs such as "-"', 'key');
    } else if (lower === 'host') report(draft, path, 'is set by the key "host" of the monitor', 'key');
    else if (HEADERS_REFUSED.includes(lower)) report(draft, path, 'is set by the probe itself', 'key');
  }
  return { headers: Object.entries(headers) };
}

function readDns(draft: Draft, monitor: FileMonitor, at: Path): DnsCheck {
  const { expect = {}, query = '.', protocol = 'udp' } = monitor;
  const name = readName(query);
  if ('message' in name) report(draft, [...at, 'query'], `must be the name to ask for: ${name.message}`);
  const queryType = typeNumber(monitor.query_type ?? 'A');
  if (queryType === undefined || queryType === TYPE.AXFR || queryType === TYPE.IXFR) {
    report(draft, [...at, 'query_type'], `must be an RR type to ask for, such as A or TXT`);
  }
  const rcode = rcodeNumber(expect.rcode ?? 'NOERROR');
  if (rcode === undefined) {
    report(draft, [...at, 'expect', 'rcode'], 'must be an rcode such as NOERROR, NXDOMAIN or REFUSED');
  }
  const value = readValue(draft, queryType ?? TYPE.A, expect.value, [...at, 'expect', 'value']);
  return {
    type: 'dns',
    port: monitor.port ?? 53,
    queryName: 'text' in name ? name.text : '.',
    queryType: queryType ?? TYPE.A,
    protocol,
    rcode: rcode ?? 0,
    ...(value !== undefined && { value }),
    ...readSources(draft, monitor, at),
  };
}

/** The text in which answers are shown, so that `2001:DB8:0::1` is found as `2001:db8::1`. */
function readValue(draft: Draft, type: number, value: unknown, at: Path): string | undefined {
  if (value === undefined) return undefined;
  const wire = rdataCodec(type).parse(value);
  if (!isRdataError(wire)) return rdataText(type, wire);
  report(draft, at, `must be the data of a record of type ${typeName(type)}: ${wire.message}`);
  return undefined;
}

function rcodeNumber(text: string): number | undefined {
  const numbered = /^RCODE(\d{1,4})$/.exec(text)?.[1];
  if (numbered !== undefined) return Number(numbered) <= 0xfff ? Number(numbered) : undefined;
  for (let rcode = 0; rcode <= 23; rcode++) if (rcodeName(rcode) === text) return rcode;
  return undefined;
}

function readUdp(draft: Draft, monitor: FileMonitor, at: Path): UdpCheck {
  const wanted = monitor.expect?.bytes;
  return {
    type: 'udp',
    port: monitor.port ?? 0,
    send: monitor.send === undefined ? '' : hexOf(monitor.send),
    ...(wanted !== undefined && { expect: hexOf(wanted) }),
    ...readSources(draft, monitor, at),
  };
}

function hexOf(bytes: NonNullable<FileMonitor['send']>): Hex {
  return typeof bytes === 'string' ? Buffer.from(bytes).toString('hex') : bytes.hex.toLowerCase();
}

function readExec(draft: Draft, { program = '/', args = [] }: FileMonitor, at: Path): ExecCheck {
  if (program !== '/' && !mayRun(draft.probes, program)) {
    const message = `is not allowed on this server: ${listed(draft.probes.programs, 'probes.programs')}`;
    report(draft, [...at, 'program'], message);
  }
  return { type: 'exec', program, args };
}

function readFile(draft: Draft, monitor: FileMonitor, at: Path): FileCheck {
  const { path = '/' } = monitor;
  if (path !== '/' && !mayRead(draft.probes, path)) {
    const message = `is in no folder that is allowed on this server: ${listed(draft.probes.folders, 'probes.folders')}`;
    report(draft, [...at, 'path'], message);
  }
  const maxAgeMs = parseDuration(monitor.max_age ?? '60s') ?? MAX_AGE_MS.default;
  if (maxAgeMs < MAX_AGE_MS.least || maxAgeMs > MAX_AGE_MS.most) {
    report(draft, [...at, 'max_age'], 'must be from 1s to 1d');
  }
  return { type: 'file', path, maxAgeMs };
}

/** Zones are written by others: they learn what is allowed, from the server's own list. */
function listed(entries: readonly string[], key: string): string {
  if (entries.length === 0) return `${key} in meridian.yaml is empty`;
  const some = entries.slice(0, 5).join(', ');
  return `${key} in meridian.yaml has ${some}${entries.length > 5 ? ' …' : ''}`;
}

function readSources(
  draft: Draft,
  { source }: FileMonitor,
  at: Path,
): { readonly sources?: readonly string[] } {
  if (source === undefined) return {};
  const sources = [source].flat();
  const families = sources.map((text) => (parseIPv4(text) ? 4 : parseIPv6(text) ? 6 : 0));
  for (const [index, family] of families.entries()) {
    const path = typeof source === 'string' ? [...at, 'source'] : [...at, 'source', index];
    if (family === 0)
      report(draft, path, `must be an IP address of this host, not ${JSON.stringify(sources[index])}`);
    else if (families.indexOf(family) < index)
      report(draft, path, `is the second IPv${family} address: one of each family`);
  }
  return { sources };
}

function hostOf({ host }: FileMonitor): { readonly host?: string } {
  return host === undefined ? {} : { host };
}

function readStatus(status: number | string): StatusRange {
  const [from = '', to = from] = String(status).split('-');
  return { from: Number(from), to: Number(to) };
}
