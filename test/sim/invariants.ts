import { SHARE_FULL, unpackHealth } from '../../src/core/health/word.js';
import type { Faults } from './faults.js';
import { HEARD_MS } from './report-rules.js';
import { MIN_UP, MONITOR, REGIONS, WEIGHTS } from './sim-zone.js';
import type { SimEndpoint, SimNode, World } from './world.js';

/** From a death to a verdict on every whole node: `interval × fall` + report interval + 1 s. */
const DEATH_MS = MONITOR.intervalMs * MONITOR.fall + 2000 + 1000;
/** While no report is lost it is sooner: retries come after the timeout, and changes are told at once. */
const SOON_MS = MONITOR.intervalMs + MONITOR.fall * MONITOR.timeoutMs + 1500;
/** From the return: `rise` probes, one of which may have begun before, and the same for reports. */
const RETURN_MS = MONITOR.intervalMs * (MONITOR.rise + 1) + 2000 + 1000;
/** Lost reports are sent again, late ones are overtaken. */
const BAD_WEATHER_MS = 12_000;
/** A node that was cut off, or started, knows as much as the others after so long. */
const SETTLE_MS = DEATH_MS + 6000;
/** How often a node looks whether the time of something is over, and a bit. */
const STEP_MS = 600;
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
    if (this.#world.broken !== undefined) throw new Broken(this.#world.broken);
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

  #checkVerdict(node: SimNode, address: string, { alive, answers, sinceMs }: SimEndpoint): void {
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
    const nowMs = this.#world.time.clock();
    const { history } = node.life!;
    const isDamped = nowMs < history.heldUntilMs(key) + STEP_MS;
    // With too few reports a node holds what it has, and says so.
    const isHeld = weatherMs > 0 && basis === 'held';
    if (alive && state === 'down' && !isDamped && forMs > RETURN_MS + weatherMs) {
      // Also on a node that is cut off: it has too few observers for a verdict of its own. Only one that was down
      // before it was cut off, or that has just come, may not know better.
      if ((this.#isWhole(node) && !isHeld) || this.#knewBetter(node, sinceMs)) {
        throw new Broken(`a healthy target is down: ${told()}`);
      }
    }
    const deathMs = this.#badWeather() ? DEATH_MS + weatherMs : SOON_MS;
    // Nobody knows of a proxy that is hollow but itself.
    const excused = isHeld || (weatherMs > 0 && answers);
    if (!alive && state === 'up' && !excused && forMs > deathMs && this.#isWhole(node)) {
      throw new Broken(`a dead target is up: ${told()}`);
    }
    this.#checkObservers(node, address, told);
    const { down, share = SHARE_FULL } = unpackHealth(health.table[health.slotOf(key)]!);
    const wrong = down ? undefined : history.shareProblem(key, share / SHARE_FULL, nowMs);
    if (wrong) throw new Broken(`${wrong}: ${told()}`);
    if (down !== (state === 'down')) throw new Broken(`the workers read another word: ${told()}`);
    this.counts.verdicts++;
  }

  /** Views that are stale leave the count, and the verdict says what it rests on. */
  #checkObservers(node: SimNode, address: string, told: () => string): void {
    const { health, heard } = node.life!;
    const { basis, known } = health.verdictOf(this.#keys.get(address)!)!;
    const { nodes, proxies, time } = this.#world;
    const others = nodes.filter((other) => other !== node).map(({ name }) => name);
    const owner = proxies.filter((proxy) => proxy.address === address).map(({ name }) => name);
    const heardMs = time.clock();
    const most = 1 + heard.heardOf([...others, ...owner], heardMs, HEARD_MS);
    if (known > most) throw new Broken(`counts ${known} observers, but heard ${most}: ${told()}`);
    const probing = 1 + heard.heardOf(others, heardMs, HEARD_MS);
    const isAlone = probing < Math.floor(nodes.length / 2) + 1;
    const isOwner = owner.length > 0;
    if (isAlone && basis !== 'held' && !isOwner)
      throw new Broken(`has too few observers, but decides: ${told()}`);
    // It hears nothing from nodes that were cut off until just now, and those that just started know nothing yet.
    const whole = nodes.filter((one) => this.#isWhole(one)).length;
    const isHeard = this.#isWhole(node) && whole >= Math.floor(nodes.length / 2) + 1;
    if (basis === 'held' && isHeard && !this.#badWeather()) {
      throw new Broken(`has observers enough, but holds: ${told()}`);
    }
  }

  #checkAnswers(node: SimNode): void {
    for (const name of NAMES) {
      const answers = this.#world.ask(node, `${name}.sim.test`);
      if (answers.length === 0) throw new Broken(`${node.name} has no answer for ${name}`);
      this.counts.answers++;
      for (const address of answers) this.#checkAnswer(node, name, address);
    }
  }

  /** Nobody is sent to what the node itself calls down, or to a pool with too little up, while another pool serves. */
  #checkAnswer(node: SimNode, name: string, address: string): void {
    const { health } = node.life!;
    const isUp = (host: string) => health.verdictOf(this.#keys.get(host)!)!.state === 'up';
    const pools = REGIONS.map((_, r) =>
      name === 'proxied'
        ? [{ host: `10.1.${r}.1`, weight: 1 }]
        : WEIGHTS.map((weight, i) => ({ host: `10.0.${r}.${i + 1}`, weight })),
    );
    const serving = pools.filter(
      (pool) => weightOf(pool.filter(({ host }) => isUp(host))) >= MIN_UP * weightOf(pool),
    );
    const hosts = serving.flatMap((pool) => pool.map(({ host }) => host).filter(isUp));
    if (hosts.length > 0 && !hosts.includes(address)) {
      throw new Broken(`${node.name} answers ${name} with ${address}, but what serves is ${hosts}`);
    }
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

function weightOf(endpoints: readonly { readonly weight: number }[]): number {
  return endpoints.reduce((sum, { weight }) => sum + weight, 0);
}
