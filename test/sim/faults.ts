import { BAD_WEATHER, GOOD_WEATHER } from './network.js';
import { REGIONS, type SimNode, type World } from './world.js';

/** What is wrong at the moment, for the checks. */
export class Faults {
  /** Nodes that are cut off, one way or both, or were lately; until when, virtual milliseconds (Infinity: still). */
  readonly cutUntilMs: Map<SimNode, number> = new Map();
  /** Since when they are or were cut off. */
  readonly cutAtMs: Map<SimNode, number> = new Map();
  badWeatherUntilMs = Number.NEGATIVE_INFINITY;
}

/** Clocks that are right differ by less than REPORT_SKEW_MS. */
const SKEW_MS = [-140_000, 140_000] as const;

type Tell = (text: string) => void;

/** Faults never touch more than a minority of the nodes at once, so a majority is always whole. */
export class FaultMaker {
  readonly faults: Faults = new Faults();
  readonly #world: World;
  readonly #tell: Tell;
  /** Nodes that are cut off or crashed now. */
  readonly #hurt = new Set<SimNode>();

  constructor(world: World, tell: Tell) {
    this.#world = world;
    this.#tell = tell;
  }

  /** Begins with the faults; each ends by itself, and the next one comes. */
  start(): void {
    this.#after(20_000, 60_000, () => this.#networkFault());
    this.#after(20_000, 60_000, () => this.#crash());
    this.#after(20_000, 40_000, () => this.#death());
  }

  #after(fromMs: number, toMs: number, run: () => void): void {
    this.#world.time.setTimeout(run, this.#world.dice.between(fromMs, toMs));
  }

  /** Nodes that may still be hurt: fewer than half of all may be. */
  #victims(countMax: number): readonly SimNode[] {
    const { dice, nodes } = this.#world;
    const room = Math.ceil(nodes.length / 2) - 1 - this.#hurt.size;
    const whole = nodes.filter((node) => !this.#hurt.has(node));
    const count = Math.min(room, 1 + dice.below(countMax));
    return count <= 0 ? [] : dice.some(whole, count);
  }

  #networkFault(): void {
    const { dice, network, time } = this.#world;
    const next = () => this.#after(10_000, 60_000, () => this.#networkFault());
    const weather = dice.chance(0.3);
    const victims = weather ? [] : this.#victims(this.#world.nodes.length);
    if (weather || victims.length === 0) {
      this.#tell('bad weather: reports are lost, late and overtaken');
      network.weather = BAD_WEATHER;
      this.faults.badWeatherUntilMs = Number.POSITIVE_INFINITY;
      this.#after(10_000, 120_000, () => {
        this.#tell('fair weather');
        network.weather = GOOD_WEATHER;
        this.faults.badWeatherUntilMs = time.clock();
        next();
      });
      return;
    }
    const direction = dice.one(['in', 'out', 'both'] as const);
    this.#tell(`cut off (${direction}): ${names(victims)}`);
    for (const node of victims) {
      this.#hurt.add(node);
      network.cut(node.name, direction);
      this.faults.cutUntilMs.set(node, Number.POSITIVE_INFINITY);
      this.faults.cutAtMs.set(node, time.clock());
    }
    this.#after(5_000, 180_000, () => {
      this.#tell(`healed: ${names(victims)}`);
      for (const node of victims) {
        this.#hurt.delete(node);
        network.heal(node.name);
        this.faults.cutUntilMs.set(node, time.clock());
      }
      next();
    });
  }

  #crash(): void {
    const world = this.#world;
    const next = () => this.#after(20_000, 120_000, () => this.#crash());
    const [node] = this.#victims(1);
    if (!node) return next();
    this.#tell(`crash: ${node.name}`);
    this.#hurt.add(node);
    world.stopNode(node);
    this.#after(500, 90_000, () => {
      const wrong = world.dice.chance(0.3);
      node.skewMs = wrong ? world.dice.one([-3_600_000, 3_600_000]) : world.dice.between(...SKEW_MS);
      this.#tell(`start: ${node.name}, its clock ${Math.round(node.skewMs / 1000)} s ahead`);
      world.startNode(node);
      if (!wrong) {
        this.#hurt.delete(node);
        return next();
      }
      // Its reports come from the future, or those of the others do: it counts as cut off.
      this.faults.cutAtMs.set(node, world.time.clock());
      this.faults.cutUntilMs.set(node, Number.POSITIVE_INFINITY);
      this.#after(20_000, 90_000, () => {
        node.skewMs = world.dice.between(...SKEW_MS);
        this.#tell(`${node.name} sets its clock`);
        this.faults.cutUntilMs.set(node, world.time.clock());
        this.#hurt.delete(node);
        next();
      });
    });
  }

  /** An endpoint, a proxy or everything of a region dies. */
  #death(): void {
    const { dice, endpoints, proxies } = this.#world;
    const region = dice.one(REGIONS);
    const all = [...endpoints.values()].filter((endpoint) => endpoint.region === region);
    const victims = dice.chance(0.5) ? all : dice.chance(0.5) ? [dice.one(proxies)] : [dice.one(all)];
    const text = victims.map(({ address }) => address).join(' ');
    this.#tell(`dead: ${text}`);
    for (const endpoint of victims) this.#world.setEndpoint(endpoint, false);
    this.#after(1_000, 120_000, () => {
      this.#tell(`alive: ${text}`);
      for (const endpoint of victims) this.#world.setEndpoint(endpoint, true);
      this.#after(5_000, 90_000, () => this.#death());
    });
  }
}

function names(nodes: readonly SimNode[]): string {
  return nodes.map(({ name }) => name).join(' ');
}
