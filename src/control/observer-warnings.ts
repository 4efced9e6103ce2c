import type { HealthTarget } from '../core/zone/targets.js';

const WARNED_MAX = 1_000;

/** Tells in the log of monitors that ask for more observers than this node has: once for each of them. */
export class ObserverWarnings {
  readonly #log: { warn(facts: object, message: string): void };
  readonly #warned = new Set<string>();

  constructor(log: { warn(facts: object, message: string): void }) {
    this.#log = log;
  }

  /** `peers`: how many other DNS nodes report to this one. */
  check(targets: readonly HealthTarget[], peers: number): void {
    for (const { monitor, proxy } of targets) {
      if (!monitor || this.#warned.has(monitor.name)) continue;
      const { quorum, judgement } = monitor;
      // A proxy is one vote more for a quorum, but no observer beside those that probe.
      const probing = 1 + peers;
      const voting = probing + (proxy === undefined ? 0 : 1);
      const needed = typeof quorum === 'number' ? quorum : 1;
      const [wanted, observers] = needed > voting ? [needed, voting] : [judgement.minObservers, probing];
      if (wanted <= observers || this.#warned.size >= WARNED_MAX) continue;
      this.#warned.add(monitor.name);
      const text = 'a monitor asks for more observers than there are (report_to names the other nodes)';
      this.#log.warn({ monitor: monitor.name, wanted, observers }, text);
    }
  }
}
