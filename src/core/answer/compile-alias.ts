import { TYPE } from '../dns/iana.js';
import type { AliasRRset } from '../zone/model.js';
import type { Build } from './build.js';
import { addLink } from './links.js';
import { FAMILY, RRSET_KIND } from './snapshot.js';

/** The fields of an ALIAS, once for A and once for AAAA, in the order of RRSET. */
export function compileAlias(build: Build, rrset: AliasRRset): readonly (readonly number[])[] {
  const { target, ttl } = rrset;
  const link = addLink(build, target);
  const name = build.blobs.push(target);
  return rrset.families.map((family) => [
    TYPE[family],
    RRSET_KIND.ALIAS,
    FAMILY[family],
    ttl,
    name,
    target.length,
    0,
    link,
    0,
  ]);
}
