import { BAD_WEATHER, GOOD_WEATHER } from './network.js';
import { REGIONS } from './sim-zone.js';
import type { SimNode, World } from './world.js';

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

/**
 * Faults never touch more than a minority of the nodes at once, so a majority is always whole; but now and then, when nothing
 * else is wrong, exactly half of them are cut off, or a whole region that has most of them.
 */
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
    this.#after(10_000, 60_000, () => this.#flap());
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

  /** Half of the nodes, or a region that has more than half; none where that can't be, or others are hurt. */
  #half(): readonly SimNode[] {
    const { dice, nodes } = this.#world;
    if (this.#hurt.size > 0 || !nodes.every(({ life }) => life)) return [];
    const crowds = REGIONS.map((region) => nodes.filter((node) => node.region === region));
    const crowd = crowds.find(({ length }) => length * 2 > nodes.length && length < nodes.length);
    if (crowd) return crowd;
    return nodes.length % 2 === 0 ? dice.some(nodes, nodes.length / 2) : [];
  }

  #networkFault(): void {
    const { dice, network, time } = this.#world;
    const next = () => this.#after(10_000, 60_000, () => this.#networkFault());
    const weather = dice.chance(0.3);
    const half = !weather && dice.chance(0.4) ? this.#half() : [];
    const victims = weather ? [] : half.length > 0 ? half : this.#victims(this.#world.nodes.length);
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
    // Deaf is worst: those tell the others that all is down.
    const deaf = half.length > 0 && dice.chance(0.5);
    const direction = deaf ? 'in' : dice.one(['in', 'out', 'both'] as const);
    this.#tell(`cut off (${direction}): ${names(victims)}`);
    for (const node of victims) {
      this.#hurt.add(node);
      network.cut(node.name, direction);
    }
    // Where half are cut off nobody knows more than the others.
    const unsure = half.length > 0 ? this.#world.nodes : victims;
    for (const node of unsure) {
      this.faults.cutUntilMs.set(node, Number.POSITIVE_INFINITY);
      this.faults.cutAtMs.set(node, time.clock());
    }
    this.#after(5_000, 180_000, () => {
      this.#tell(`healed: ${names(victims)}`);
      for (const node of victims) {
        this.#hurt.delete(node);
        network.heal(node.name);
      }
      for (const node of unsure) this.faults.cutUntilMs.set(node, time.clock());
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
    // After a quick start its reports of before may still be on their way.
    this.#after(200, world.dice.chance(0.5) ? 2_000 : 90_000, () => {
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

  /** An endpoint, a proxy, everything of a region or of all of them dies. */
  #death(): void {
    const { dice, endpoints, proxies } = this.#world;
    const region = dice.one(REGIONS);
    const all = [...endpoints.values()].filter((endpoint) => endpoint.region === region);
    const whole = dice.chance(0.35) ? [...endpoints.values()] : all;
    const victims = dice.chance(0.5) ? whole : dice.chance(0.7) ? [dice.one(proxies)] : [dice.one(all)];
    const isHollow =
      victims.length === 1 && proxies.some((proxy) => proxy === victims[0]) && dice.chance(0.5);
    const text = victims.map(({ address }) => address).join(' ');
    this.#tell(`${isHollow ? 'nothing behind it serves' : 'dead'}: ${text}`);
    for (const endpoint of victims) this.#world.setEndpoint(endpoint, false, isHollow);
    this.#after(1_000, 120_000, () => {
      this.#tell(`alive: ${text}`);
      for (const endpoint of victims) this.#world.setEndpoint(endpoint, true);
      this.#after(5_000, 90_000, () => this.#death());
    });
  }

  /** An endpoint comes and goes, slowly enough for verdicts to follow. */
  #flap(): void {
    const { dice, endpoints } = this.#world;
    const victim = dice.one([...endpoints.values()]);
    const changes = 2 * (2 + dice.below(6));
    this.#tell(`flaps ${changes / 2} times: ${victim.address}`);
    const next = (left: number) => {
      if (left === 0) return this.#after(20_000, 120_000, () => this.#flap());
      this.#world.setEndpoint(victim, left % 2 === 1);
      this.#after(9_000, 13_000, () => next(left - 1));
    };
    next(changes);
  }
}

function names(nodes: readonly SimNode[]): string {
  return nodes.map(({ name }) => name).join(' ');
}
