/**
 * A YAML file that remembers where each of its values stands, so that every later mistake, of syntax, schema
 * or meaning, can be reported as `file:line:column: path: message`.
 */
import type { Static, TSchema } from 'typebox';
import {
  type Document,
  isAlias,
  isCollection,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Pair,
  parseDocument,
  visit,
  type YAMLMap,
} from 'yaml';
import { type Path, schemaProblems } from './schema-problems.js';

export interface Problem {
  readonly file: string;
  /** Both count from 1. */
  readonly line: number;
  readonly column: number;
  /** `records.www.dynamic.rules[2]`; empty for the whole document. */
  readonly path: string;
  readonly message: string;
}

export interface YamlDocument {
  readonly file: string;
  readonly value: unknown;
  /** The nodes with their places in the text. */
  readonly document: Document;
  /** A problem at the node of `path`, or at its nearest existing parent; `key` points at the key. */
  problem(path: Path, message: string, at?: 'key' | 'value'): Problem;
}

/** `parseYaml`, or what knows the texts it read before. */
export type YamlReader = (
  file: string,
  text: string,
) => YamlDocument | { readonly problems: readonly Problem[] };

/** Nodes with their places take about a hundred times the text: more would not fit the default heap. */
export const YAML_BYTES_MAX = 16 * 1024 * 1024;
export const PROBLEMS_MAX = 1000;
/** An anchor may be used this often, times the nodes it holds: an "alias bomb" needs far more. */
const ALIAS_COUNT_MAX = 10_000;
/** Each alias is looked for in the whole document. */
const ALIASES_MAX = 2000;

/** `file:line:column: path: message`. */
export function formatProblem(problem: Problem): string {
  const path = problem.path === '' ? '' : `${problem.path}: `;
  return `${problem.file}:${problem.line}:${problem.column}: ${path}${problem.message}`;
}

/** `records.www[0]["a.b"]`. */
export function formatPath(path: Path): string {
  return path.reduce<string>((text, segment) => {
    if (typeof segment === 'number') return `${text}[${segment}]`;
    if (!/^[\w*-]+$/.test(segment)) return `${text}[${JSON.stringify(segment)}]`;
    return text === '' ? segment : `${text}.${segment}`;
  }, '');
}

/** By place in the file; at most PROBLEMS_MAX, the last of which then says that there are more. */
export function sortProblems(problems: readonly Problem[]): readonly Problem[] {
  const sorted = problems.toSorted((a, b) => a.line - b.line || a.column - b.column);
  const extra = sorted.length - PROBLEMS_MAX;
  if (extra <= 0) return sorted;
  const last = sorted[PROBLEMS_MAX - 1]!;
  return [...sorted.slice(0, PROBLEMS_MAX - 1), { ...last, path: '', message: `and ${extra + 1} more` }];
}

/**
 * Reads one YAML 1.2 document (`<<` merge keys included). Keys are always text, as written. Syntax errors,
 * a key twice in a map, a text over YAML_BYTES_MAX and aliases that would blow up the document are problems.
 */
export function parseYaml(
  file: string,
  text: string,
): YamlDocument | { readonly problems: readonly Problem[] } {
  const lineCounter = new LineCounter();
  const problemAt = (offset: number, path: string, message: string): Problem => {
    const { line, col } = lineCounter.linePos(offset);
    return { file, line: Math.max(line, 1), column: Math.max(col, 1), path, message };
  };
  if (Buffer.byteLength(text) > YAML_BYTES_MAX) {
    return { problems: [problemAt(0, '', `the file is larger than ${YAML_BYTES_MAX} bytes (16 MiB)`)] };
  }
  try {
    // The package's own check for duplicate keys is quadratic: checkNodes does it in one pass.
    const document = parseDocument(text, {
      lineCounter,
      merge: true,
      prettyErrors: false,
      uniqueKeys: false,
    });
    const problems = [...document.errors, ...document.warnings].map((error) =>
      problemAt(error.pos[0], '', firstLine(error.message)),
    );
    checkNodes(document, (offset, message) => problems.push(problemAt(offset, '', message)));
    if (problems.length > 0) return { problems: sortProblems(problems) };
    const value: unknown = document.toJS({ maxAliasCount: ALIAS_COUNT_MAX });
    return {
      file,
      value,
      document,
      problem: (path, message, at = 'value') =>
        problemAt(offsetOf(document, path, at), formatPath(path), message),
    };
  } catch (error) {
    return { problems: [problemAt(0, '', failure(error))] };
  }
}

/** The value, typed; or all its mistakes. `value` and `path` check a part of the document. */
export function checkSchema<T extends TSchema>(
  document: YamlDocument,
  schema: T,
  value: unknown = document.value,
  path: Path = [],
): Static<T> | Problem[] {
  const problems = schemaProblems(schema, value, path);
  if (problems.length === 0) return value as Static<T>;
  return [...sortProblems(problems.map(({ path, message, at }) => document.problem(path, message, at)))];
}

type Report = (offset: number, message: string) => void;

/** Aliases must follow their anchor; the package would notice later, and without saying where. */
function checkNodes(document: Document, report: Report): void {
  const anchors = new Set<string>();
  let aliases = 0;
  visit(document, (_, node) => {
    if (isAlias(node)) {
      aliases++;
      if (aliases > ALIASES_MAX) {
        report(node.range?.[0] ?? 0, `is one alias too many: at most ${ALIASES_MAX} are resolved`);
        return visit.BREAK;
      }
      if (anchors.has(node.source)) return undefined;
      report(node.range?.[0] ?? 0, `no anchor &${node.source} stands before this alias`);
    } else if (isScalar(node) || isCollection(node)) {
      if (node.anchor !== undefined) anchors.add(node.anchor);
      if (isMap(node)) checkKeys(node, report);
    }
    return undefined;
  });
}

/** Turns keys into the text that was written (`1.10:` is not 1.1) and finds keys that repeat. */
function checkKeys(map: YAMLMap, report: Report): void {
  const seen = new Set<string>();
  for (const { key } of map.items) {
    if (!isScalar(key)) {
      report(isCollection(key) || isAlias(key) ? (key.range?.[0] ?? 0) : 0, 'a key must be plain text');
      continue;
    }
    // The merge key is a symbol.
    if (typeof key.value === 'symbol') continue;
    if (typeof key.value !== 'string') key.value = key.source ?? String(key.value ?? '');
    const text = String(key.value);
    if (seen.has(text)) report(key.range?.[0] ?? 0, `the key "${text}" is already in this map`);
    seen.add(text);
  }
}

function offsetOf(document: Document, path: Path, at: 'key' | 'value'): number {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  for (const [index, segment] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document);
    const next = child(node, segment);
    if (next === undefined) return offset;
    const last = index === path.length - 1;
    if (isPair(next)) {
      // A block map starts at its first key, a line too late: its own key is the better place.
      const block = isCollection(next.value) && next.value.flow !== true;
      const place = block || (last && at === 'key') ? next.key : next.value;
      offset = startOf(place) ?? startOf(next.key) ?? offset;
      node = next.value;
    } else {
      offset = startOf(next) ?? offset;
      node = next;
    }
  }
  return offset;
}

function child(node: unknown, segment: string | number): unknown {
  if (isSeq(node)) return typeof segment === 'number' ? node.items[segment] : undefined;
  return isMap(node) ? pairsOf(node).get(String(segment)) : undefined;
}

/** A file with many mistakes looks for many keys in the same large map. */
const pairsByMap = new WeakMap<YAMLMap, ReadonlyMap<string, Pair>>();

function pairsOf(map: YAMLMap): ReadonlyMap<string, Pair> {
  const known = pairsByMap.get(map);
  if (known) return known;
  const pairs = new Map(map.items.map((pair) => [isScalar(pair.key) ? String(pair.key.value) : '', pair]));
  pairsByMap.set(map, pairs);
  return pairs;
}

function startOf(node: unknown): number | undefined {
  return isScalar(node) || isCollection(node) || isAlias(node) ? node.range?.[0] : undefined;
}

function failure(error: unknown): string {
  return error instanceof Error ? firstLine(error.message) : 'the document cannot be read';
}

function firstLine(message: string): string {
  if (message.includes('call stack')) return 'the document is nested too deeply';
  return message.split('\n', 1)[0] ?? message;
}
