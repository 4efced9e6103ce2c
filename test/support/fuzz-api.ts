import { mkdtempSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { PROBLEM_KINDS, type ProblemKind } from '../../src/api/problem-codes.js';
import type { Api } from '../../src/api/server.js';
import { AcmeService } from '../../src/control/acme-service.js';
import { AuditLog } from '../../src/control/audit-log.js';
import { DifferenceDesk } from '../../src/control/difference-desk.js';
import { acmeRig } from './acme-rig.js';
import { type ApiDescription, resolved } from './api-description.js';
import { apiOn, controlRig } from './control-rig.js';
import { temporaryFolder } from './folder.js';
import { ApiRequests, type FuzzRequest, seededDraw } from './fuzz-api-requests.js';
import { impactOn, planBook } from './plan-rig.js';
import { zoneRig } from './zone-rig.js';

export const FUZZ_ZONE = `zone: fuzz.test
nameservers: { ns1: { A: 127.0.0.1 } }
soa: { contact: hostmaster.fuzz.test }
regions: { eu: { location: [50, 8] } }
monitors: { us: { type: tcp, port: 80 } }
pools:
  eu: { endpoints: [{ A: 192.0.2.1, proxy: proxy-eu, service: web }] }
  us: { endpoints: [{ A: 192.0.2.2 }] }
records:
  www: { type: A, dynamic: { steering: failover, pools: [eu, us] } }
  txt: { type: TXT, value: text }
`;

const FUZZ_ZONES: Readonly<Record<string, string>> = {
  'fuzz.test.yaml': FUZZ_ZONE,
  'spare.test.yaml': FUZZ_ZONE.replaceAll('fuzz.test', 'spare.test'),
};
/** How often zone files are put right again by hand. */
export const MEND_EVERY = 200;

/** The account that examples name. */
const FUZZ_ACCOUNTS = JSON.stringify({
  version: 1,
  accounts: [
    {
      username: '5d6f0e7c-3a51-4d1b-9a54-0c2a6f1f6f5b',
      digest: '0'.repeat(64),
      subdomain: '8e5703c2-1d6f-4a0e-b1a6-2f3c9d7e4b10',
      name: '_acme-challenge.www.fuzz.test.',
      allow_from: [],
      note: '',
      created: 1,
      changed: 1,
      removed: false,
      values: [],
    },
  ],
});

/** No answer takes this long. */
const SLOW_MS = 20_000;
const KINDS: Readonly<Record<string, ProblemKind>> = PROBLEM_KINDS;
/** Answers of these are not problems of this API: their form is given by others. */
const OTHER_FORMS = ['/register', '/update'];

/** What is looked at of an answer. */
export interface FuzzAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

/** An API that is asked. */
export interface FuzzTarget {
  /** Null for what no client could send. */
  send(request: FuzzRequest): Promise<FuzzAnswer | null>;
  close(): Promise<void>;
}

/** Sends requests that are right, nearly right and wrong to every route of an API, and checks each answer. */
export class ApiFuzz {
  readonly #target: FuzzTarget;
  readonly #requests: ApiRequests;
  readonly #description: ApiDescription;
  readonly #seed: number;
  /** Statuses by operation. */
  readonly seen: Map<string, Map<number, number>> = new Map();
  /** Codes of problems. */
  readonly codes: Set<string> = new Set();

  private constructor(target: FuzzTarget, description: ApiDescription, seed: number) {
    this.#target = target;
    this.#description = description;
    this.#requests = new ApiRequests(description);
    this.#seed = seed;
  }

  /** On an API without sockets, with a control plane of its own. */
  static async inProcess(seed: number): Promise<ApiFuzz> {
    const { book } = acmeRig({ accountsMax: 20 });
    book.load(FUZZ_ACCOUNTS);
    const rig = await zoneRig(FUZZ_ZONES, {}, controlRig({ challenges: book.table }));
    const settings = { domain: 'auth.fuzz.test.', registerFrom: [], proxies: [], peers: ['dns-2'], epoch: 1 };
    const acme = new AcmeService(book, settings, rig.control);
    const file = join(mkdtempSync(join(temporaryFolder(), 'audit-')), 'audit.log');
    const audit = await AuditLog.open(file, { log: { error() {} } });
    const { editor, writer, folder } = rig;
    const impact = impactOn(rig, folder);
    const history = {
      book: rig.book,
      desk: new DifferenceDesk({}),
      mode: 'api',
      zones: writer,
      impact,
    } as const;
    const plans = planBook(rig, folder, { writer, history: rig.book });
    const modules = { acme, audit, editor, history, plans, impact, requestsPerMinute: 1_000_000_000 };
    const api = await apiOn(rig, { modules });
    let sent = 0;
    return ApiFuzz.on(
      {
        async send(request) {
          if (++sent % MEND_EVERY === 0) {
            for (const [name, text] of Object.entries(FUZZ_ZONES)) await writeFile(join(folder, name), text);
            await rig.reload();
          }
          return inject(api, request);
        },
        async close() {
          await api.close();
          await audit.close();
          rig.close();
        },
      },
      seed,
    );
  }

  static async on(target: FuzzTarget, seed: number): Promise<ApiFuzz> {
    const answer = await target.send({ method: 'GET', url: '/openapi.json', headers: {}, of: '' });
    return new ApiFuzz(target, JSON.parse(answer?.body ?? '') as ApiDescription, seed);
  }

  /** Operations that were asked. */
  get operations(): readonly string[] {
    return this.#requests.operations.map(({ method, path }) => `${method} ${path}`);
  }

  async run(from: number, to: number): Promise<void> {
    for (let index = from; index < to; index++) {
      const request = this.#requests.make(seededDraw(this.#seed * 1_000_003 + index));
      const problem = await this.#try(request);
      if (problem === undefined) continue;
      throw new Error(
        `${problem}\nseed ${this.#seed}, request ${index}: ${JSON.stringify(request).slice(0, 2000)}`,
      );
    }
  }

  close(): Promise<void> {
    return this.#target.close();
  }

  /** What is wrong with the answer; undefined where it is right. */
  async #try(request: FuzzRequest): Promise<string | undefined> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${SLOW_MS} ms`)), SLOW_MS);
    });
    try {
      const answer = await Promise.race([this.#target.send(request), late]);
      if (!answer) return undefined;
      const counts = this.seen.get(request.of) ?? new Map<number, number>();
      this.seen.set(request.of, counts.set(answer.status, (counts.get(answer.status) ?? 0) + 1));
      return this.#judge(request, answer);
    } catch (error) {
      return String(error);
    } finally {
      clearTimeout(timer);
    }
  }

  #judge({ method, of }: FuzzRequest, answer: FuzzAnswer): string | undefined {
    const { status, headers, body } = answer;
    // It may have deleted all zones.
    const isEmpty = of.endsWith('/readyz') && status === 503 && body.includes('no zone is served');
    if (status >= 500 && !isEmpty) return `${status}: ${body}`;
    if (typeof headers['x-request-id'] !== 'string') return 'no X-Request-Id';
    if (headers['x-injected'] !== undefined) return 'a header was injected';
    if (method === 'HEAD' || method === 'OPTIONS') return undefined;
    if (status >= 400) {
      return OTHER_FORMS.some((path) => of.endsWith(path)) ? undefined : this.#judgeProblem(answer);
    }
    return this.#judgeAnswer(of, method, answer);
  }

  #judgeProblem({ status, headers, body }: FuzzAnswer): string | undefined {
    const shown = body.slice(0, 500);
    if (!String(headers['content-type']).startsWith('application/problem+json')) {
      return `${status} as ${headers['content-type']}: ${shown}`;
    }
    const problem = JSON.parse(body) as Readonly<Record<string, unknown>>;
    const kind = KINDS[String(problem['code'])];
    if (!kind) return `an unknown code: ${shown}`;
    this.codes.add(String(problem['code']));
    if (kind.status !== status || problem['status'] !== status) return `${status}, another status: ${shown}`;
    if (typeof problem['detail'] !== 'string' || problem['detail'] === '') return `no detail: ${shown}`;
    // A problem that is given again is that of the first request.
    if (headers['idempotent-replayed'] === 'true') return undefined;
    return problem['request_id'] === headers['x-request-id'] ? undefined : `another request id: ${shown}`;
  }

  /** An answer is as the description says. */
  #judgeAnswer(of: string, method: string, { status, body }: FuzzAnswer): string | undefined {
    const named = this.#requests.operations.find((one) => `${one.method} ${one.path}` === of);
    if (method !== named?.method) return undefined;
    if (method === 'POST' && body.startsWith('{')) this.#requests.learn(JSON.parse(body));
    const schema = named.operation.responses[String(status)]?.content?.['application/json']?.schema;
    if (!schema) return undefined;
    const whole = resolved(schema, this.#description.components.schemas) as TSchema;
    const [error] = Value.Errors(whole, JSON.parse(body));
    return error && `not as described: ${error.instancePath} ${error.message}: ${body.slice(0, 500)}`;
  }
}

async function inject(api: Api, { method, url, headers, payload }: FuzzRequest): Promise<FuzzAnswer | null> {
  try {
    const options = { method: method as 'GET', url, headers, ...(payload !== undefined && { payload }) };
    const { statusCode, headers: answered, body } = await api.inject(options);
    return { status: statusCode, headers: answered, body };
  } catch (error) {
    if (String(error).includes('Invalid URL')) return null;
    throw error;
  }
}
