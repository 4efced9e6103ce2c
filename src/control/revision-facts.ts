import type { Revision } from './revision.js';

/** Files that an overview names; the revision itself has all. */
const FILES_MAX = 100;

/** A revision as events tell it. */
export function revisionFacts(revision: Revision): object {
  const { files, ...about } = revision;
  const zones = [...new Set(files.flatMap(({ zone }) => zone ?? []))];
  return {
    ...about,
    zones: zones.slice(0, FILES_MAX),
    files: files.slice(0, FILES_MAX).map(({ path, change }) => ({ path, change })),
    files_total: files.length,
  };
}
