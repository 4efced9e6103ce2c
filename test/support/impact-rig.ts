import type { LocationTrie } from '../../src/core/geo/location.js';
import { packHealth, SLOT_FIRST_FREE, WORD_ALWAYS_DOWN, WORD_ALWAYS_UP } from '../../src/core/health/word.js';
import { compareViews } from '../../src/core/impact/compare.js';
import { surveyGround } from '../../src/core/impact/ground.js';
import { type Impact, impactOf } from '../../src/core/impact/impact.js';
import { ClassChoices, ZoneViews } from '../../src/core/impact/zone-views.js';
import type { Zone } from '../../src/core/zone/model.js';
import { loadZoneFile } from '../../src/sources/zone-file.js';

/** A zone file's text without its head. */
export function zoneOf(rest: string): Zone {
  const text = `zone: example.com\nnameservers: { ns1: { A: 192.0.2.53 } }\n${rest}`;
  const result = loadZoneFile('zone.yaml', text, { serial: 1 });
  if ('problems' in result) throw new Error(JSON.stringify(result.problems, null, 1));
  return result.zone;
}

/** The impact of a change; `down` are parts of the keys of targets that are down, `part` takes half of its weight. */
export function impactBetween(
  geo: LocationTrie,
  before: Zone | undefined,
  after: Zone | undefined,
  { down = [] as readonly string[], part = [] as readonly string[] } = {},
): Impact {
  const slots = new Map<string, number>();
  const words: number[] = [WORD_ALWAYS_UP, WORD_ALWAYS_DOWN];
  const slotOf = (key: string) => {
    const known = slots.get(key);
    if (known !== undefined) return known;
    const slot = SLOT_FIRST_FREE + slots.size;
    slots.set(key, slot);
    words[slot] = packHealth({
      down: down.some((text) => key.includes(text)),
      forced: false,
      unknown: false,
      ttlSeconds: Number.POSITIVE_INFINITY,
      ...(part.some((text) => key.includes(text)) && { share: 128 }),
    });
    return slot;
  };
  const choices = new ClassChoices(geo.locations);
  const health = new Int32Array(1000);
  const views = (zone: Zone | undefined) => zone && new ZoneViews({ zone, geo, health, slotOf, choices });
  const pair = { before: views(before), after: views(after) };
  health.set(words);
  return impactOf(surveyGround(geo), compareViews(before, pair.before, after, pair.after));
}
