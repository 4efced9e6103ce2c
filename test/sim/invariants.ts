import { SHARE_FULL } from '../../src/core/health/word.js';
import type { Faults } from './faults.js';
import { MONITOR, type SimEndpoint, type SimNode, WEIGHTS, type World } from './world.js';

/** From a death to a verdict on every whole node: `interval × fall` + report interval + 1 s. */
const DEATH_MS = MONITOR.intervalMs * MONITOR.fall + 2000 + 1000;
/** From the return: `rise` probes, one of which may have begun before, and the same for reports. */
const RETURN_MS = MONITOR.intervalMs * (MONITOR.rise + 1) + 2000 + 1000;
/** Lost reports are sent again, late ones are overtaken. */
const BAD_WEATHER_MS = 12_000;
/** A node that was cut off, or started, knows as much as the others after so long. */
const SETTLE_MS = DEATH_MS + 6000;
/**
 * Nodes that come back together tell each other what they saw while they were cut off, and may be the first to be heard:
 * until the others have reported, and their own probes have risen.
 */
const REUNION_MS = MONITOR.intervalMs * (MONITOR.rise + 1) + 2000;
const SHARE_DRAWS = 2000;
const NAMES = ['www', 'all', 'proxied'] as const;

/** A broken invariant. */
export class Broken extends Error {}

export interface Checks {
  /** Verdicts that were compared with the truth. */
  verdicts: number;
  answers: number;
  shares: number;
}

/** Compares what every node believes and answers with what is true. */
export class Invariants {
  readonly counts: Checks = { verdicts: 0, answers: 0, shares: 0 };
  readonly #world: World;
  readonly #faults: Faults;
  readonly #keys: ReadonlyMap<string, string>;

  constructor(world: World, faults: Faults) {
    this.#world = world;
    this.#faults = faults;
    this.#keys = new Map([...world.targets.values()].map(({ host, key }) => [host, key]));
  }

  check(): void {
    for (const node of this.#world.nodes) {
      if (!node.life) continue;
      for (const [address, endpoint] of this.#world.endpoints) this.#checkVerdict(node, address, endpoint);
      this.#checkAnswers(node);
    }
  }

  /** On a node for which all is well: the weighted pools get their shares. */
  checkShares(): void {
    const node = this.#world.nodes.find((one) => this.#isCalm(one));
    if (!node) return;
    const counts = new Map<string, number>();
    for (let i = 0; i < SHARE_DRAWS; i++) {
      for (const address of this.#world.ask(node, 'all.sim.test')) {
        counts.set(address, (counts.get(address) ?? 0) + 1);
      }
    }
    for (const [r, part] of [0.5, 0.3, 0.2].entries()) {
      for (const [i, weight] of WEIGHTS.entries()) {
        const expected = (part * weight) / 4;
        const found = (counts.get(`10.0.${r}.${i + 1}`) ?? 0) / SHARE_DRAWS;
        // Six standard deviations: once in a billion by chance.
        const allowed = 6 * Math.sqrt((expected * (1 - expected)) / SHARE_DRAWS);
        if (Math.abs(found - expected) > allowed) {
          throw new Broken(`${node.name} answers 10.0.${r}.${i + 1} in ${found} of all, not ${expected}`);
        }
        this.counts.shares++;
      }
    }
  }

  #checkVerdict(node: SimNode, address: string, { alive, sinceMs }: SimEndpoint): void {
    const { health } = node.life!;
    const key = this.#keys.get(address)!;
    const { state, basis, up, known } = health.verdictOf(key)!;
    const forMs = this.#world.time.clock() - sinceMs;
    const weatherMs = this.#badWeather() ? BAD_WEATHER_MS : 0;
    const told = () => {
      const views = health
        .describe(key)!
        .observers.map(
          ({ observer, view, ageMs }) => `    ${observer} ${view}, ${Math.round(ageMs ?? -1)} ms old`,
        );
      const truth = `${alive ? 'alive' : 'dead'} for ${Math.round(forMs)} ms`;
      return `${node.name} has ${address} ${state} (${basis}, ${up} of ${known}), which is ${truth}\n${views.join('\n')}`;
    };
    if (alive && state === 'down' && basis !== 'damped' && forMs > RETURN_MS + weatherMs) {
      // Also on a node that is cut off: it has too few observers for a verdict of its own. Only one that was down
      // before it was cut off, or that has just come, may not know better.
      if (this.#isWhole(node) || this.#knewBetter(node, sinceMs)) {
        throw new Broken(`a healthy target is down: ${told()}`);
      }
    }
    // With too few reports a node holds what it has, and says so.
    const excused = weatherMs > 0 && basis === 'held';
    if (!alive && state === 'up' && !excused && forMs > DEATH_MS + weatherMs && this.#isWhole(node)) {
      throw new Broken(`a dead target is up: ${told()}`);
    }
    this.counts.verdicts++;
  }

  #checkAnswers(node: SimNode): void {
    for (const name of NAMES) {
      const answers = this.#world.ask(node, `${name}.sim.test`);
      if (answers.length === 0) throw new Broken(`${node.name} has no answer for ${name}`);
      this.counts.answers++;
      for (const address of answers) this.#checkAnswer(node, name, address);
    }
  }

  /** Nobody is sent to what the node itself calls down while something else is up. */
  #checkAnswer(node: SimNode, name: string, address: string): void {
    const { health } = node.life!;
    const stateOf = (host: string) => health.verdictOf(this.#keys.get(host)!)!.state;
    if (stateOf(address) === 'up') return;
    const hosts = [...this.#world.endpoints.keys()].filter((host) => host.startsWith(address.slice(0, 5)));
    const up = hosts.filter((host) => stateOf(host) === 'up');
    if (up.length > 0)
      throw new Broken(`${node.name} answers ${name} with ${address}, which is down; up: ${up}`);
  }

  /** Everything is up, and nothing is on its way back. */
  #isCalm({ life }: SimNode): boolean {
    if (!life) return false;
    return [...this.#keys.values()].every(
      (key) => life.health.verdictOf(key)?.state === 'up' && life.health.shareOf(key) === SHARE_FULL,
    );
  }

  /** Runs, hears and is heard, and has for a while. */
  #isWhole(node: SimNode): boolean {
    const nowMs = this.#world.time.clock();
    const cutMs = this.#faults.cutUntilMs.get(node) ?? Number.NEGATIVE_INFINITY;
    return node.life !== null && nowMs - node.life.sinceMs > SETTLE_MS && nowMs - cutMs > SETTLE_MS;
  }

  /** Was whole when the target had been well for long enough, and was cut off since; it may be healed by now. */
  #knewBetter(node: SimNode, sinceMs: number): boolean {
    const healedMs = this.#world.time.clock() - (this.#faults.cutUntilMs.get(node) ?? 0);
    if (healedMs >= 0 && healedMs < REUNION_MS) return false;
    return (
      node.life !== null &&
      this.#cutAtMs(node) - Math.max(sinceMs, node.life.sinceMs) > SETTLE_MS + MONITOR.rampMs + 60_000
    );
  }

  #cutAtMs(node: SimNode): number {
    return this.#faults.cutAtMs.get(node) ?? Number.NEGATIVE_INFINITY;
  }

  #badWeather(): boolean {
    return this.#world.time.clock() - this.#faults.badWeatherUntilMs < 60_000;
  }
}
