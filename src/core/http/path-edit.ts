/**
 * Another path for the next hop, or for a redirect. The result is brought into normal form again, so that no edit
 * can make a path that two parsers read differently.
 */

import { HEAD_BYTES_MAX } from './head.js';
import type { PathEdit } from './route-action.js';
import { PATTERN_TEXT_MAX, type Pattern, type PatternCompiler } from './route-match.js';
import { normalisePath } from './target.js';

/** Room for the other lines of a head. */
export const EDITED_PATH_MAX = HEAD_BYTES_MAX / 2;

/** The new path for a normalised one; null if it would not be a valid path, or longer than EDITED_PATH_MAX. */
export type PathEditor = (path: string) => string | null;

export function pathEditor(edit: PathEdit, compile: PatternCompiler): PathEditor {
  switch (edit.kind) {
    case 'path':
      return () => edit.to;
    case 'prefix':
      return (path) => checked(withPrefix(path, edit.from, edit.to));
    case 'pattern': {
      const pattern = compile(edit.pattern);
      const parts = templateParts(edit.to);
      return (path) => byPattern(path, pattern, parts);
    }
  }
}

/** Literal text, and numbers of groups. */
type Template = readonly (string | number)[];

/** Reads `/u/$1`. `$` before anything but a digit or another `$` is taken as it is. */
export function templateParts(to: string): Template {
  return [...to.matchAll(/\$(\d)|\$(\$)|[^$]+|\$/g)].map(([text, group, dollar]) =>
    group !== undefined ? Number(group) : (dollar ?? text),
  );
}

function byPattern(path: string, pattern: Pattern, parts: Template): string | null {
  // Such a path has not been routed by a pattern either: it may not pass unedited.
  if (path.length > PATTERN_TEXT_MAX) return null;
  const groups = pattern.groups(path);
  if (groups === null) return path;
  let edited = '';
  for (const part of parts) edited += typeof part === 'number' ? (groups[part] ?? '') : part;
  return checked(edited);
}

/** `/api` and `/api/x` with `/v2` for `/api` are `/v2` and `/v2/x`; one slash joins, however the two are written. */
function withPrefix(path: string, from: string, to: string): string {
  if (path.length <= from.length) return to;
  const rest = path.slice(from.endsWith('/') ? from.length - 1 : from.length);
  return (to.endsWith('/') ? to.slice(0, -1) : to) + rest;
}

/** Slashes at the start become one: `//name/` in a Location or a target could be read as the name of a host. */
function checked(path: string): string | null {
  if (path.length > EDITED_PATH_MAX || !VISIBLE.test(path)) return null;
  const normal = normalisePath(path);
  return normal === null ? null : normal.replace(/^\/{2,}/, '/');
}

/** No query may begin in a path, and no control character may end a line. */
const VISIBLE = /^\/[!"$->@-~]*$/;
