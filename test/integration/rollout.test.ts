import { createSocket } from 'node:dgram';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeMessage, encodeQuery } from '../../src/core/dns/message.js';
import { removeFolders } from '../support/folder.js';
import { startNode, type TestNode } from '../support/node.js';
import { wireOf } from '../support/packet.js';
import { endPrograms, meridian } from '../support/process.js';
import { addressOf } from '../support/query-rig.js';
import { until } from '../support/until.js';

const BLUE = '192.0.2.1';
const GREEN = '198.51.100.1';
const ZONE = `zone: roll.test
ttl: 5
nameservers: { ns1: { A: 127.0.0.1 } }
soa: { contact: hostmaster.roll.test }
pools:
  blue: { endpoints: [{ A: ${BLUE}, proxy: p1, service: blue }] }
  green: { endpoints: [{ A: ${GREEN}, proxy: p1, service: green }] }
records: { www: { type: A, dynamic: { rules: [{ pool: blue }] } } }
`;
const CLIENTS = 400;
const CONFIG = { dns: { workers: 2 } };

/** The share of so many client networks that is sent to green, over UDP. */
async function greenShare(port: number): Promise<number> {
  let green = 0;
  for (let done = 0; done < CLIENTS; done += 50) {
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => ask(port, done + i)));
    green += answers.filter((address) => address === GREEN).length;
  }
  return green / CLIENTS;
}

function ask(port: number, id: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    const late = setTimeout(() => reject(new Error('no answer within 3 s')), 3000);
    const subnet = { address: addressOf(`10.${id >> 8}.${id & 255}.0`), sourcePrefix: 24 };
    const query = encodeQuery({
      id,
      name: wireOf('www.roll.test'),
      type: 1,
      edns: { payloadSize: 1232, subnet },
    });
    socket.once('message', (bytes) => {
      clearTimeout(late);
      socket.close();
      resolve(decodeMessage(bytes)?.answers[0]?.rdata ?? 'nothing');
    });
    socket.send(query, port, '127.0.0.1');
  });
}

/** A proxy that serves both pools, and reports twice a second; `failing` of 100 requests of green fail. */
class Reporter {
  node: TestNode;
  failing = 0;
  readonly #epoch = Date.now();
  readonly #timer: NodeJS.Timeout;
  #sequence = 0;
  #issued = 0;
  #errors = 0;

  constructor(node: TestNode) {
    this.node = node;
    this.#timer = setInterval(() => void this.#send().catch(() => undefined), 500);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #send(): Promise<void> {
    this.#issued += 100;
    this.#errors += this.failing;
    const service = (name: string, errors: number) => {
      const none = { connectFailures: 0, timeouts: 0, retried: 0, shed: 0 };
      const counters = { issued: this.#issued, ok: this.#issued - errors, errors, ...none };
      const pool = {
        ejected: 0,
        draining: 0,
        healthyWeight: 1,
        weight: 1,
        panic: false,
        inFlight: 0,
        queued: 0,
      };
      return { service: name, endpoints: 1, healthy: 1, pool: { ...pool, counters } };
    };
    await this.node.report({
      ...{ schema: 1, node: 'p1', region: 'eu', epoch: this.#epoch, sequence: ++this.#sequence },
      ...{ sent: Date.now(), intervalMs: 2_000, state: 'up' },
      services: [service('blue', 0), service('green', this.#errors)],
    });
  }
}

interface Shown {
  readonly state: string;
  readonly percent: number;
  readonly why?: string;
  readonly history: readonly { readonly event: string; readonly by: string; readonly evidence?: object }[];
}

let node: TestNode;
let proxy: Reporter;

beforeAll(async () => {
  node = await startNode({ zones: { 'roll.test.yaml': ZONE }, config: CONFIG });
  proxy = new Reporter(node);
});
afterAll(async () => {
  proxy.close();
  await endPrograms();
  removeFolders();
});

function rollout(...args: readonly string[]) {
  return meridian(['rollout', ...args, '--api', node.api], {
    cwd: node.folder,
    env: { MERIDIAN_TOKEN: node.tokens.admin },
  });
}

async function start(name: string, steps: string): Promise<void> {
  await until(`${name} begins`, async () => {
    const order = ['roll.test', 'blue', 'green', '--name', name, '--steps', steps, '--window', '5'];
    return (await rollout('start', ...order)).code === 0;
  });
}

const shown = async (id: string) => (await node.get(`/v1/steering/rollouts/${id}`)) as Shown;
const reaches = (id: string, state: string, percent: number) =>
  until(`${id} is ${state} at ${percent} %`, async () => {
    const now = await shown(id);
    return now.state === state && now.percent === percent;
  });

describe('a canary of a running node', () => {
  it('gives its part of the clients to the new pool, in every worker, and rolls back when that fails requests', async () => {
    await start('bad', '25:2s,50:1h,100:1h');
    expect(Math.abs((await greenShare(node.port)) - 0.25)).toBeLessThan(
      5 * Math.sqrt((0.25 * 0.75) / CLIENTS),
    );
    await reaches('bad', 'running', 50);
    expect(Math.abs((await greenShare(node.port)) - 0.5)).toBeLessThan(5 * Math.sqrt(0.25 / CLIENTS));
    proxy.failing = 30;
    await reaches('bad', 'rolled_back', 0);
    expect(await greenShare(node.port)).toBe(0);
    const { history, why } = await shown('bad');
    expect(why).toMatch(/^the new pool fails/);
    expect(history.map(({ event, by }) => `${event} ${by}`)).toEqual([
      'started admin',
      'advanced rollout',
      'rolled_back rollout',
    ]);
    expect((await rollout('show', 'bad', '--watch')).code).toBe(1);
    expect(
      await node.metric(
        'meridian_rollout_percent{rollout="bad",zone="roll.test.",from="blue",to="green",state="rolled_back"}',
      ),
    ).toBe(0);
  });

  it('goes on with its step after the node was killed', async () => {
    proxy.failing = 0;
    await start('good', '50:1h,100:1s');
    await node.program.end('SIGKILL');
    node = await startNode({ folder: node.folder, config: CONFIG });
    proxy.node = node;
    const before = await shown('good');
    expect([before.percent, before.history.length]).toEqual([50, 1]);
    expect(Math.abs((await greenShare(node.port)) - 0.5)).toBeLessThan(5 * Math.sqrt(0.25 / CLIENTS));
    const { code, stdout } = await rollout('promote', 'good');
    expect([code, stdout]).toEqual([0, expect.stringContaining('let the rules, weights and fallbacks')]);
    expect(await greenShare(node.port)).toBe(1);
    expect((await rollout('abort', 'good', '--reason', 'test')).code).toBe(0);
    expect(await greenShare(node.port)).toBe(0);
    expect((await rollout('list')).stdout).toMatch(/good +roll\.test\/blue → green +aborted at 0 %/);
  });
});
