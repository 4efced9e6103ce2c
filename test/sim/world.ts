/**
 * DNS nodes, proxies and endpoints in three regions. The nodes run what a server runs: HealthWatch with its
 * scheduler, book and slots, the Reporter, and the query path on a compiled snapshot. The endpoints, the network and
 * the clocks are made up.
 */

import { HealthWatch } from '../../src/control/health-watch.js';
import type { Transition } from '../../src/control/transitions.js';
import { answer } from '../../src/core/answer/answer.js';
import { compileSnapshot } from '../../src/core/answer/compile.js';
import { COUNTER } from '../../src/core/answer/counters.js';
import { createQuery, type Query, setPacket } from '../../src/core/answer/query.js';
import { EMPTY_LOCATIONS } from '../../src/core/geo/location.js';
import type { Report } from '../../src/core/health/report.js';
import type { Zone } from '../../src/core/zone/model.js';
import { type HealthTarget, healthTargets } from '../../src/core/zone/targets.js';
import type { ReportFetch } from '../../src/report/delivery.js';
import { Reporter } from '../../src/report/reporter.js';
import { packet } from '../support/packet.js';
import { readZone } from '../support/query-rig.js';
import { Dice } from './dice.js';
import { Network } from './network.js';
import { ReportRules } from './report-rules.js';
import { REGIONS, regionOf, WEIGHTS, zoneOf } from './sim-zone.js';
import { VerdictHistory } from './verdict-history.js';
import { VirtualTime } from './virtual-time.js';

/** 2023-11-14: clocks start here, give or take their skew. */
const EPOCH_MS = 1_700_000_000_000;
const QUIET = { info() {}, warn() {} };

/** Something that answers probes. */
export interface SimEndpoint {
  readonly address: string;
  readonly region: string;
  /** It serves: what is true. */
  alive: boolean;
  /** It answers probes; a proxy may do that though nothing behind it serves. */
  answers: boolean;
  /** When it last came or went, virtual milliseconds. */
  sinceMs: number;
}

export interface SimProxy extends SimEndpoint {
  readonly name: string;
  reporter: Reporter | null;
}

export interface SimNode {
  readonly name: string;
  readonly region: string;
  /** What its clock is ahead of the others, milliseconds. */
  skewMs: number;
  /** Null while it is crashed. */
  life: NodeLife | null;
}

export interface NodeLife {
  readonly sinceMs: number;
  readonly health: HealthWatch;
  readonly reporter: Reporter;
  readonly query: Query;
  /** What it took of the reports that reached it. */
  readonly heard: ReportRules;
  readonly history: VerdictHistory;
  /** Ends every timer of this life. */
  readonly end: () => void;
}

export interface WorldOptions {
  readonly seed: number;
  readonly nodes: number;
  /** Called with each change of a verdict on a node. */
  readonly onTransition: (node: SimNode, transition: Transition) => void;
}

export class World {
  readonly time: VirtualTime = new VirtualTime();
  readonly dice: Dice;
  readonly network: Network;
  readonly zone: Zone;
  readonly targets: ReadonlyMap<string, HealthTarget>;
  readonly nodes: readonly SimNode[];
  readonly proxies: readonly SimProxy[];
  readonly endpoints: ReadonlyMap<string, SimEndpoint>;
  /** The first report that was taken or ignored against the rules, or verdict that changed against them. */
  broken: string | undefined;
  readonly #onTransition: WorldOptions['onTransition'];

  constructor({ seed, nodes, onTransition }: WorldOptions) {
    this.dice = new Dice(seed);
    this.network = new Network(this.time, this.dice);
    this.#onTransition = onTransition;
    this.zone = readZone(zoneOf(Math.floor(nodes / 2) + 1));
    this.targets = healthTargets(this.zone);
    const direct = REGIONS.flatMap((region, r) =>
      WEIGHTS.map(
        (_, i): SimEndpoint => ({
          address: `10.0.${r}.${i + 1}`,
          region,
          alive: true,
          answers: true,
          sinceMs: 0,
        }),
      ),
    );
    this.proxies = REGIONS.map((region, r) => {
      return {
        name: `proxy-${region}`,
        address: `10.1.${r}.1`,
        region,
        alive: true,
        answers: true,
        sinceMs: 0,
        reporter: null,
      };
    });
    this.endpoints = new Map([...direct, ...this.proxies].map((endpoint) => [endpoint.address, endpoint]));
    // Half of the larger worlds have most of their nodes in one region.
    const isCrowded = nodes >= 5 && seed % 8 >= 4;
    this.nodes = Array.from({ length: nodes }, (_, i) => {
      const region = regionOf(i, isCrowded ? Math.floor(nodes / 2) + 1 : 0);
      return { name: `dns-${i}`, region, skewMs: this.dice.between(-60_000, 60_000), life: null };
    });
    for (const node of this.nodes) this.startNode(node);
    for (const proxy of this.proxies) this.#startProxy(proxy);
  }

  startNode(node: SimNode): void {
    const { time, dice, targets } = this;
    let alive = true;
    const timers = {
      setTimeout: (run: () => void, ms: number) => time.setTimeout(() => alive && run(), ms),
      clearTimeout: (handle: unknown) => time.clearTimeout(handle),
    };
    const now = () => EPOCH_MS + node.skewMs + time.clock();
    const health = new HealthWatch(
      {
        probe: (host, monitor) => this.#probe(node, host, monitor.timeoutMs),
        now,
        monotonic: time.clock,
        timers,
        random: dice.random,
        log: QUIET,
      },
      {
        region: node.region,
        peers: this.nodes.filter((other) => other !== node).map(({ name }) => name),
        targetsMax: 64,
      },
    );
    if (!health.watch(targets)) throw new Error('too many targets');
    const history = new VerdictHistory();
    health.onTransition((transition) => {
      const wrong = history.note(transition.target.key, transition.state, time.clock());
      if (wrong) this.broken ??= `${node.name}: ${transition.target.host} ${wrong}`;
      this.#onTransition(node, transition);
    });
    const { snapshot } = compileSnapshot({
      id: 1,
      zones: [this.zone],
      geo: EMPTY_LOCATIONS,
      slotOf: (key) => health.slotOf(key),
    });
    const query = createQuery(
      snapshot,
      health.table,
      new Float64Array(COUNTER.SIZE),
      dice.below(0x7fffffff) + 1,
    );
    const reporter = new Reporter(
      { node: node.name, region: node.region, receivers: this.#receivers(node.name) },
      {
        wallMs: now,
        timers: { set: timers.setTimeout, clear: timers.clearTimeout },
        random: dice.random,
        fetch: this.#fetchFrom(node.name),
        log: QUIET,
        probes: () => health.probeViews(),
      },
    );
    health.onProbeChange(() => reporter.changed());
    reporter.start();
    const end = () => {
      alive = false;
      health.close();
      reporter.close();
    };
    const heard = new ReportRules();
    node.life = { sinceMs: time.clock(), health, reporter, query, heard, history, end };
  }

  stopNode(node: SimNode): void {
    node.life?.end();
    node.life = null;
  }

  /** Kills an endpoint, or brings it back. A proxy that is `hollow` goes on, with nothing behind it that serves. */
  setEndpoint(endpoint: SimEndpoint, alive: boolean, hollow: boolean = false): void {
    if (endpoint.alive === alive) return;
    const wasHollow = endpoint.answers;
    endpoint.alive = alive;
    endpoint.answers = alive || hollow;
    endpoint.sinceMs = this.time.clock();
    const proxy = this.proxies.find((one) => one === endpoint);
    if (!proxy) return;
    if (hollow || (alive && wasHollow)) {
      proxy.reporter?.changed();
      return;
    }
    proxy.reporter?.close();
    proxy.reporter = null;
    if (alive) this.#startProxy(proxy);
  }

  /** The addresses that a node answers with; empty where it is crashed. */
  ask(node: SimNode, name: string): readonly string[] {
    if (!node.life) return [];
    const { query } = node.life;
    const question = QUESTIONS.get(name) ?? packet({ name, type: 1 });
    QUESTIONS.set(name, question);
    const output = new Uint8Array(1232);
    setPacket(query, question, 0, question.length, output, 0);
    query.transportLimit = 1232;
    query.source = SOURCE;
    query.sourceFamily = 4;
    const length = answer(query);
    // All records are addresses under the question's name: 16 bytes each.
    const count = (output[6]! << 8) | output[7]!;
    const first = question.length;
    if (first + 16 * count > length) return [];
    return Array.from({ length: count }, (_, i) =>
      output.subarray(first + 16 * i + 12, first + 16 * i + 16).join('.'),
    );
  }

  close(): void {
    for (const node of this.nodes) this.stopNode(node);
    for (const { reporter } of this.proxies) reporter?.close();
  }

  #startProxy(proxy: SimProxy): void {
    let reporter: Reporter | null = null;
    const alive = () => proxy.answers && proxy.reporter === reporter;
    reporter = new Reporter(
      { node: proxy.name, region: proxy.region, receivers: this.#receivers(proxy.name) },
      {
        wallMs: () => EPOCH_MS + this.time.clock(),
        timers: {
          set: (run, ms) => this.time.setTimeout(() => alive() && run(), ms),
          clear: (handle) => this.time.clearTimeout(handle),
        },
        random: this.dice.random,
        fetch: this.#fetchFrom(proxy.name),
        log: QUIET,
        services: () => [{ service: 'web', endpoints: 2, healthy: proxy.alive ? 2 : 0 }],
      },
    );
    proxy.reporter = reporter;
    reporter.start();
  }

  #receivers(from: string) {
    return this.nodes
      .filter(({ name }) => name !== from)
      .map(({ name }) => ({ url: `http://${name}`, readToken: null }));
  }

  /** A dead endpoint refuses, or says nothing, each in its turn. */
  #probe(node: SimNode, host: string, timeoutMs: number) {
    const endpoint = this.endpoints.get(host);
    return new Promise<{ ok: boolean; detail: string; elapsedMs: number }>((resolve) => {
      const startMs = this.time.clock();
      const settle = (ok: boolean, detail: string) =>
        resolve({ ok, detail, elapsedMs: this.time.clock() - startMs });
      this.time.setTimeout(() => settle(false, 'timeout'), timeoutMs);
      const mute = this.dice.chance(0.5);
      this.network.roundTrip(node.name, host, () => {
        // Now and then one is lost: fewer than fall.
        if (endpoint?.answers && !this.dice.chance(LOST_PART)) settle(true, 'ok');
        else if (!mute) settle(false, 'refused');
      });
    });
  }

  #fetchFrom(from: string): ReportFetch {
    return (url, { body, signal }) =>
      new Promise((resolve, reject) => {
        signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true });
        const to = new URL(url).host;
        const sentMs = this.time.clock();
        this.network.send(from, to, () => {
          const node = this.nodes.find(({ name }) => name === to);
          if (!node?.life) return;
          const report = JSON.parse(body) as Report;
          const taken = node.life.health.report(report);
          const nowMs = this.time.clock();
          const times = { clockMs: EPOCH_MS + node.skewMs + nowMs, sentMs, nowMs };
          const wrong = node.life.heard.check(report, taken, times);
          if (wrong) this.broken ??= `${to}: ${wrong}`;
          const outcome = JSON.stringify(taken);
          this.network.send(to, from, () => resolve({ ok: true, status: 200, text: async () => outcome }));
        });
      });
  }
}

const LOST_PART = 0.02;
const SOURCE = Uint8Array.of(192, 0, 2, 200);
const QUESTIONS = new Map<string, Uint8Array>();
