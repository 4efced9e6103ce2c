/** `api`: zones change by their files and through the API. `gitops`: by their files only; steering stays open. */
export type ZonesMode = 'api' | 'gitops';

/** Why the API may not change zones, with a stable code; undefined where it may. */
export function refuseZoneWrite(
  mode: ZonesMode,
): { readonly code: 'gitops'; readonly detail: string } | undefined {
  if (mode === 'api') return undefined;
  return {
    code: 'gitops',
    detail:
      'this node runs with `mode: gitops`: zones change only by their files, as the repository has them; make the change there. Steering (force, drain, dial, maintenance) is open.',
  };
}
