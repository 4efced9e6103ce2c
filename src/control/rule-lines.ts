import { readFile, stat } from 'node:fs/promises';
import { parseYaml } from '../sources/yaml-document.js';
import { versionOf } from '../sources/zone-folder.js';

/** Larger files take too long to be read for one line. */
const FILE_BYTES_MAX = 1024 * 1024;
/** Files up to this are parsed as a whole where the record cannot be cut out: about 10 ms. */
const WHOLE_CHARS_MAX = 16 * 1024;
/** A record that is longer than this is not parsed. */
const PART_CHARS_MAX = 32 * 1024;
/** Files that are kept as they were read. */
const FILES_MAX = 8;

/** A rule of a record, in the file of its zone. */
export interface RulePlace {
  readonly file: string;
  readonly version: string;
  /** With its trailing dot, as `record`. */
  readonly origin: string;
  readonly record: string;
  /** `A`, `AAAA` or `CNAME`. */
  readonly type: string;
  /** From 0. */
  readonly rule: number;
}

/** Finds the lines of rules in zone files, as long as these are what is served. */
export class RuleLines {
  readonly #read = new Map<string, string>();

  /** From 1; undefined where the file is another than that which is served, too large, or written in another way. */
  async find(place: RulePlace): Promise<number | undefined> {
    const text = await this.#text(place);
    if (text === undefined) return undefined;
    const part = partOf(text, namesOf(place));
    const line = part && lineIn(part.text, place);
    if (part && line !== undefined) return line + part.linesBefore;
    return text.length > WHOLE_CHARS_MAX ? undefined : lineIn(text, place);
  }

  async #text({ file, version }: RulePlace): Promise<string | undefined> {
    const key = `${version} ${file}`;
    const known = this.#read.get(key);
    if (known !== undefined) return known;
    try {
      if ((await stat(file)).size > FILE_BYTES_MAX) return undefined;
      const text = await readFile(file, 'utf8');
      if (versionOf(text) !== version) return undefined;
      const [oldest] = this.#read.keys();
      if (this.#read.size >= FILES_MAX && oldest !== undefined) this.#read.delete(oldest);
      this.#read.set(key, text);
      return text;
    } catch {
      return undefined;
    }
  }
}

function lineIn(text: string, place: RulePlace): number | undefined {
  const document = parseYaml(place.file, text);
  if ('problems' in document) return undefined;
  const path = pathOf(document.value, place);
  return path && document.problem(path, '').line;
}

/**
 * The record alone, in a file of its own, where records are written one below the other; so that nobody waits while a large
 * file is parsed.
 */
function partOf(
  text: string,
  names: ReadonlySet<string>,
): { readonly text: string; readonly linesBefore: number } | undefined {
  const begin = /^records:[ \t]*(?:#.*)?\r?\n/m.exec(text);
  if (!begin) return undefined;
  let at = begin.index + begin[0].length;
  let line = text.slice(0, at).split('\n').length;
  let indent = 0;
  let from: { readonly at: number; readonly line: number } | undefined;
  for (; at < text.length; line++) {
    const end = text.indexOf('\n', at);
    const next = end < 0 ? text.length : end + 1;
    const own = text.slice(at, next);
    const depth = own.search(/[^ \r\n]/);
    if (depth >= 0 && own[depth] !== '#') {
      indent ||= depth;
      const isItem = own[depth] === '-' && depth === indent;
      if (from && depth <= indent && !isItem) break;
      if (depth < indent) return undefined;
      if (depth === indent && names.has(keyOf(own))) from = { at, line };
    }
    at = next;
  }
  if (!from || at - from.at > PART_CHARS_MAX) return undefined;
  return { text: `records:\n${text.slice(from.at, at)}`, linesBefore: from.line - 2 };
}

function keyOf(line: string): string {
  const key = /^ *(?:"([^"\\]*)"|'([^']*)'|([^\s:"'{[&*!#][^:#]*?))[ \t]*:(?=\s|$)/.exec(line);
  return (key?.[1] ?? key?.[2] ?? key?.[3] ?? '-').toLowerCase();
}

/** As a file may write the name of the record. */
function namesOf({ origin, record }: RulePlace): ReadonlySet<string> {
  const relative = record === origin ? '' : record.slice(0, -origin.length - 1);
  return new Set([relative, record, record.slice(0, -1), ...(relative === '' ? ['@'] : [])]);
}

function pathOf(value: unknown, place: RulePlace): (string | number)[] | undefined {
  const { type, rule } = place;
  const records = memberOf(value, 'records');
  if (!isMap(records)) return undefined;
  const names = namesOf(place);
  for (const [key, entry] of Object.entries(records)) {
    if (!names.has(key.toLowerCase())) continue;
    if (!Array.isArray(entry))
      return hasRule(entry, type, rule) ? [...pathTo(key), ...ruleAt(rule)] : undefined;
    const place = entry.findIndex((one) => hasRule(one, type, rule));
    return place < 0 ? undefined : [...pathTo(key), place, ...ruleAt(rule)];
  }
  return undefined;
}

function pathTo(key: string): (string | number)[] {
  return ['records', key];
}

function ruleAt(rule: number): (string | number)[] {
  return ['dynamic', 'rules', rule];
}

function hasRule(entry: unknown, type: string, rule: number): boolean {
  const rules = memberOf(memberOf(entry, 'dynamic'), 'rules');
  const types = [memberOf(entry, 'type')].flat();
  return Array.isArray(rules) && rule < rules.length && types.includes(type);
}

function memberOf(value: unknown, key: string): unknown {
  return isMap(value) ? value[key] : undefined;
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
