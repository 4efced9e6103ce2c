/**
 * Judges a zone as a whole: what no schema can see, because it takes two places of the file to be wrong.
 */
import { type Finding, Findings } from './finding.js';
import type { Zone } from './model.js';
import { validateNames } from './validate-names.js';
import { validateObservers } from './validate-observers.js';
import { validateMonitors, validatePools } from './validate-pools.js';
import { validateSteering } from './validate-steering.js';

export interface ValidateOptions {
  /** A dump of a hosted zone often has no NS records, since its provider adds them. Default: required. */
  readonly nameservers?: 'required' | 'optional';
  /** DNS nodes that probe, this one among them; absent where nobody knows: then quorums may ask for any number. */
  readonly observers?: number;
}

/** Every mistake of the zone, at most FINDINGS_MAX; an empty list says that it can be served. */
export function validateZone(zone: Zone, options: ValidateOptions = {}): readonly Finding[] {
  const findings = new Findings();
  validateMonitors(zone, findings);
  if (options.observers !== undefined) validateObservers(zone, options.observers, findings);
  validatePools(zone, findings);
  validateNames(zone, options.nameservers ?? 'required', findings);
  for (const [index, rrset] of zone.rrsets.entries()) {
    if (rrset.kind === 'dynamic') validateSteering(zone, rrset, ['rrsets', index], findings);
  }
  return findings.list;
}
