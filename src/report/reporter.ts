/**
 * Tells the DNS nodes what this proxy or DNS node sees: one report to each receiver every interval, and at once on a
 * change.
 */

import {
  type ProbeViews,
  REPORT_SCHEMA,
  REPORT_TTL_INTERVALS,
  type Report,
  type ServiceReport,
} from '../core/health/report.js';
import {
  type ProxyFacts,
  type ScalingHint,
  stateOfServices,
  withinReport,
} from '../core/health/report-facts.js';
import { Delivery, type DeliveryModules, type ReceiverStatus, type ReportReceiver } from './delivery.js';

export interface ReporterOptions {
  readonly node: string;
  readonly region: string;
  readonly receivers: readonly ReportReceiver[];
  readonly intervalMs?: number;
  readonly timeoutMs?: number;
}

export interface ReporterModules extends DeliveryModules {
  /** Milliseconds since 1970. */
  readonly wallMs: () => number;
  /** Of a proxy: its pools. */
  readonly services?: () => readonly ServiceReport[];
  readonly proxy?: () => ProxyFacts;
  /** Of a proxy: whether it should grow; undefined where nothing is known. */
  readonly scaling?: () => ScalingHint | undefined;
  /** Of a DNS node: what its probes see. */
  readonly probes?: () => ProbeViews;
}

const INTERVAL_MS = 2_000;
const TIMEOUT_MS = 1_500;

export class Reporter {
  readonly #options: ReporterOptions;
  readonly #modules: ReporterModules;
  #epoch: number;
  readonly #loops: readonly Delivery[];
  #sequence = 0;
  #draining = false;

  constructor(options: ReporterOptions, modules: ReporterModules) {
    this.#options = options;
    this.#modules = modules;
    this.#epoch = modules.wallMs();
    this.#loops = options.receivers.map(
      (receiver) =>
        new Delivery(receiver, modules, {
          intervalMs: options.intervalMs ?? INTERVAL_MS,
          timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
          build: () => this.build(),
        }),
    );
  }

  start(): void {
    for (const loop of this.#loops) loop.send();
  }

  /** Something changed: tell everybody now. */
  changed(): void {
    for (const loop of this.#loops) loop.send();
  }

  /** Reports from now on that this node goes away; resolves when each receiver was told, or did not answer in time. */
  async drain(): Promise<void> {
    this.#draining = true;
    await Promise.all(this.#loops.map((loop) => loop.sendLast()));
  }

  close(): void {
    for (const loop of this.#loops) loop.close();
  }

  status(): readonly ReceiverStatus[] {
    return this.#loops.map((loop) => loop.status());
  }

  /**
   * A clock that was set back before its own start makes a new start: the old one would come from the future for
   * whoever reads it.
   */
  #checkClock(sent: number): void {
    if (sent >= this.#epoch) return;
    this.#epoch = sent;
    this.#sequence = 0;
  }

  /** The report of this moment. Each one has its own sequence number. */
  build(): Report {
    const sent = this.#modules.wallMs();
    this.#checkClock(sent);
    const { services: readServices, probes, proxy } = this.#modules;
    const services = withinReport(readServices?.() ?? []);
    const intervalMs = this.#options.intervalMs ?? INTERVAL_MS;
    const scaling = this.#modules.scaling?.();
    return {
      schema: REPORT_SCHEMA,
      node: this.#options.node,
      region: this.#options.region,
      epoch: this.#epoch,
      sequence: ++this.#sequence,
      sent,
      intervalMs,
      ttlMs: intervalMs * REPORT_TTL_INTERVALS,
      ...(this.#draining ? DRAINING : stateOfServices(services)),
      services,
      ...(proxy && { proxy: proxy() }),
      ...(scaling && { scaling }),
      ...(probes && { probes: probes() }),
    };
  }
}

const DRAINING = { state: 'draining', reason: 'it is stopping' } as const;
