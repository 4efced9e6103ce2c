/**
 * Regions with demand and capacity, DNS nodes that shed load, and clients that keep an answer for its TTL: the loop
 * that load shedding closes. The nodes run the LoadShedder on the reports of proxies; the clients are a stream.
 */

import { LoadShedder } from '../../src/control/load-shedder.js';
import { ReportBook } from '../../src/control/report-book.js';
import type { Report } from '../../src/core/health/report.js';
import { SHARE_FULL } from '../../src/core/health/word.js';
import type { HealthTarget } from '../../src/core/zone/targets.js';
import { Dice } from './dice.js';

export interface ShedRegion {
  readonly capacity: number;
  /** Demand of its own clients at a time, in the unit of capacity. */
  readonly demand: (seconds: number) => number;
}

export interface ShedOptions {
  readonly regions: readonly ShedRegion[];
  readonly rules: { readonly from: number; readonly to: number };
  readonly ttlSeconds: number;
  /** How long clients keep an answer in truth; the TTL where absent. */
  readonly keptSeconds?: number;
  /** How long connections last that were opened by an older answer. Default 15. */
  readonly connectedSeconds?: number;
  readonly seconds: number;
  readonly nodes?: number;
  /** Instead of the shedder: NS1's rule as it stands. */
  readonly naive?: boolean;
  readonly seed?: number;
}

/** What happened, each second: by region the load, and the share that it sheds by the mean of the nodes. */
export interface ShedHistory {
  readonly loads: readonly (readonly number[])[];
  readonly shares: readonly (readonly number[])[];
}

export function simulateShedding(options: ShedOptions): ShedHistory {
  const {
    regions,
    rules,
    seconds,
    ttlSeconds,
    keptSeconds = ttlSeconds,
    nodes = 3,
    connectedSeconds = 15,
  } = options;
  const dice = new Dice(options.seed ?? 1);
  const targets = regions.map((_, i) => target(i, rules, ttlSeconds));
  const books = Array.from({ length: nodes }, () => new ReportBook([]));
  for (const book of books) book.setProxies(new Set(regions.map((_, i) => `proxy-${i}`)));
  const shedders = books.map((book) => {
    const shedder = new LoadShedder(book);
    shedder.setTargets(targets);
    return shedder;
  });
  // What the clients of a region do: each part of them has asked at another second, and does what was answered then.
  const answered: number[][][] = [];
  const loads: number[][] = [];
  const shares: number[][] = [];
  for (let now = 0; now < seconds; now++) {
    const wanted = shedders.map((shedder) => shedder.step(now * 1000));
    const mean = targets.map(({ key }, i) =>
      options.naive
        ? clamp(((loads.at(-1)?.[i] ?? 0) - rules.from) / (rules.to - rules.from))
        : wanted.reduce((sum, kept) => sum + 1 - kept.get(key)! / SHARE_FULL, 0) / nodes,
    );
    shares.push(mean);
    answered.push(regions.map((_, i) => spread(i, mean)));
    const end = Math.max(answered.length - connectedSeconds, 1);
    loads.push(loadsOf(regions, answered.slice(Math.max(end - keptSeconds, 0), end), now));
    if (now % 2 !== 0) continue;
    for (const book of books) {
      for (const [i, load] of loads.at(-1)!.entries()) {
        // What a proxy measures is never quite what is.
        const noise = 1 + 0.02 * (dice.random() - 0.5);
        book.take(report(i, now, load * noise, regions[i]!.capacity), now * 1000, now * 1000);
      }
    }
  }
  return { loads, shares };
}

/** Where the clients of a region go: down the chain of regions, each of which hands on its share. */
function spread(home: number, shares: readonly number[]): number[] {
  const parts = shares.map(() => 0);
  let left = 1;
  for (let i = 0; i < shares.length; i++) {
    const at = (home + i) % shares.length;
    const taken = left * (1 - shares[at]!);
    parts[at]! += taken;
    left -= taken;
  }
  // Nobody takes it: the first region serves all the same.
  parts[home]! += left;
  return parts;
}

function loadsOf(
  regions: readonly ShedRegion[],
  answered: readonly (readonly (readonly number[])[])[],
  now: number,
): number[] {
  return regions.map(({ capacity }, at) => {
    const used = regions.reduce((sum, { demand }, home) => {
      const part = answered.reduce((total, then) => total + then[home]![at]!, 0) / answered.length;
      return sum + demand(now) * part;
    }, 0);
    return used / capacity;
  });
}

function target(i: number, rules: ShedOptions['rules'], ttlSeconds: number): HealthTarget {
  const sources = [{ proxy: `proxy-${i}` }];
  return {
    key: `region ${i}`,
    host: `region ${i}`,
    shed: { rules, group: 'test', region: `region ${i}`, sources, ttlSeconds },
  };
}

function report(i: number, seconds: number, utilisation: number, capacity: number): Report {
  return {
    schema: 1,
    node: `proxy-${i}`,
    region: `region ${i}`,
    epoch: 0,
    sequence: seconds + 1,
    sent: seconds * 1000,
    intervalMs: 2000,
    state: 'up',
    services: [
      {
        service: 'web',
        endpoints: 1,
        healthy: 1,
        load: { capacity, utilisation, limiting: 'upstream_connections' },
      },
    ],
  };
}

function clamp(part: number): number {
  return Math.min(Math.max(part, 0), 1);
}
