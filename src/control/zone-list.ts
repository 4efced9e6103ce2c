import type { ZoneSummary } from './loader.js';

/** What lists that follow each other share: where zones and files are, or were. */
interface Places {
  readonly origins: Map<string, number>;
  readonly files: Map<string, number>;
}

/**
 * The zones that are served, in a stable order. It never changes; one with a few other zones is made without looking at the
 * rest, but for a copy of the list.
 */
export class ZoneList {
  readonly list: readonly ZoneSummary[];
  readonly #places: Places;

  constructor(list: readonly ZoneSummary[] = [], places?: Places) {
    this.list = list;
    this.#places = places ?? {
      origins: new Map(list.map(({ origin }, i) => [origin, i])),
      files: new Map(list.map(({ file }, i) => [file, i])),
    };
  }

  get(origin: string): ZoneSummary | undefined {
    const place = this.#places.origins.get(origin);
    const found = place === undefined ? undefined : this.list[place];
    // Another list may have put it there.
    return found?.origin === origin ? found : undefined;
  }

  byFile(file: string): ZoneSummary | undefined {
    const place = this.#places.files.get(file);
    const found = place === undefined ? undefined : this.list[place];
    return found?.file === file ? found : undefined;
  }

  /** With these in the place of those of the same origins, new ones at the end, and without those that are gone. */
  with(put: readonly ZoneSummary[], gone: readonly string[] = []): ZoneList {
    if (put.length + gone.length === 0) return this;
    if (gone.length > 0) {
      const away = new Set(gone);
      const left = this.list.filter(({ origin }) => !away.has(origin));
      return new ZoneList(left).with(put);
    }
    const list = [...this.list];
    const { origins, files } = this.#places;
    for (const zone of put) {
      const known = origins.get(zone.origin);
      const place = known !== undefined && list[known]?.origin === zone.origin ? known : list.length;
      list[place] = zone;
      origins.set(zone.origin, place);
      files.set(zone.file, place);
    }
    return new ZoneList(list, this.#places);
  }
}
