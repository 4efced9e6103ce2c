/**
 * Changes what a YAML text says and leaves the rest of it as it is, byte for byte: comments, order, blank lines, quotes,
 * block and flow style of everything that does not change. Works by splices in the text, at the places of the nodes.
 */
import {
  type Document,
  isCollection,
  isMap,
  isScalar,
  isSeq,
  type Pair,
  Scalar,
  visit,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';
import { type Alignment, alignLists } from './list-alignment.js';
import { sameData } from './same-data.js';
import { type Problem, parseYaml, type YamlDocument, type YamlReader } from './yaml-document.js';
import {
  blockStart,
  columnOf,
  contentEnd,
  dashBefore,
  isEmpty,
  isIndent,
  isMerge,
  keyText,
  lineEnd,
  lineStart,
  type Node,
  nextLine,
  pairEnd,
  pairStart,
  type Spot,
  spotOfPair,
} from './yaml-places.js';
import {
  isInline,
  isPlainMap,
  renderBlock,
  renderEntry,
  renderFile,
  renderInline,
  renderItem,
  renderText,
} from './yaml-render.js';

export type YamlEdit = { readonly text: string } | { readonly problems: readonly Problem[] };

export interface YamlEditOptions {
  /** Keys at the top of the file in the order that new ones are put in. */
  readonly order?: readonly string[];
  /** Reads what was made, to be compared. */
  readonly read?: YamlReader;
}

/**
 * The text that says `value`, made of `text` with as few changes as may be. A text with mistakes is not edited. The result is
 * read again and compared: where splices can't say it, because an anchor is shared, aliases are written out.
 */
export function rewriteYaml(
  file: string,
  text: string,
  value: unknown,
  options: YamlEditOptions = {},
): YamlEdit {
  const parsed = parseYaml(file, text);
  return 'problems' in parsed ? parsed : rewriteDocument(parsed, text, value, options);
}

/** The same for a text that was read already. */
export function rewriteDocument(
  parsed: YamlDocument,
  text: string,
  value: unknown,
  options: YamlEditOptions = {},
): YamlEdit {
  const { file } = parsed;
  const edited = spliced(text, parsed.document, parsed.value, value, options);
  if (edited !== undefined && says(file, edited, value, options)) return { text: edited };
  const expanded = expandAliases(text, parsed.document);
  const again = parseYaml(file, expanded);
  if (!('problems' in again)) {
    const second = spliced(expanded, again.document, again.value, value, options);
    if (second !== undefined && says(file, second, value, options)) return { text: second };
  }
  const message =
    'this change cannot be made in the text of the file as it is written: change the file by hand';
  return { problems: [{ file, line: 1, column: 1, path: '', message }] };
}

function says(file: string, text: string, value: unknown, { read = parseYaml }: YamlEditOptions): boolean {
  const parsed = read(file, text);
  return !('problems' in parsed) && sameData(parsed.value, value);
}

/** For more new keys than this nobody looks for the right place of each: they go to the end. */
const SORTED_INSERTS_MAX = 100;

interface Splice {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

interface Editor {
  readonly text: string;
  readonly eol: string;
  readonly order: readonly string[];
  readonly splices: Splice[];
}

function spliced(
  text: string,
  document: Document,
  old: unknown,
  value: unknown,
  { order = [] }: YamlEditOptions,
): string | undefined {
  if (sameData(old, value)) return text;
  const editor: Editor = { text, eol: text.includes('\r\n') ? '\r\n' : '\n', order, splices: [] };
  const root: unknown = document.contents;
  if (!isMap(root) || !isPlainMap(old) || !isPlainMap(value)) return undefined;
  if (changeMap(editor, root, old, value, true)) return applySplices(editor);
  // Nothing stays but what is above the first key.
  return `${text.slice(0, lineStart(text, root.range![0]))}${renderFile(value)}`;
}

/** In the order of their places; of two at one place the one that removes nothing comes first. */
function applySplices({ text, splices }: Editor): string | undefined {
  const sorted = splices.toSorted((a, b) => a.start - b.start || a.end - b.end);
  const parts: string[] = [];
  let at = 0;
  for (const splice of sorted) {
    if (splice.start < at) return undefined;
    parts.push(text.slice(at, splice.start), splice.text);
    at = splice.end;
  }
  parts.push(text.slice(at));
  return parts.join('');
}

/** Changes a value where it stands: inside of it if that is possible, else as a whole. */
function changeValue(editor: Editor, node: Node | null, old: unknown, value: unknown, spot: Spot): void {
  const mark = editor.splices.length;
  if (isMap(node) && isPlainMap(old) && isPlainMap(value) && changeMap(editor, node, old, value)) return;
  editor.splices.length = mark;
  if (isSeq(node) && Array.isArray(old) && Array.isArray(value)) {
    if (changeList(editor, node, old, value)) return;
    editor.splices.length = mark;
  }
  if (Array.isArray(value) && value.length > 1 && sameData(value[0], old)) {
    if (wrapValue(editor, node, value, spot)) return;
  }
  replaceValue(editor, node, value, spot);
}

function changeMap(
  editor: Editor,
  map: YAMLMap,
  old: Readonly<Record<string, unknown>>,
  value: Readonly<Record<string, unknown>>,
  root = false,
): boolean {
  const own = new Map(map.items.map((pair) => [keyText(pair), pair]));
  const keeps = map.items.map((pair) => isMerge(pair) || Object.hasOwn(value, keyText(pair)));
  if (!keeps.includes(true)) return false;
  const merged = map.items.some(isMerge);
  for (const key of Object.keys(old)) {
    // What a merge brings in can't be taken out here.
    if (!own.has(key) && !Object.hasOwn(value, key)) return false;
  }
  const fresh = Object.keys(value).filter((key) => {
    if (own.has(key)) return false;
    return !(merged && Object.hasOwn(old, key) && sameData(old[key], value[key]));
  });
  for (const [i, pair] of map.items.entries()) {
    const key = keyText(pair);
    if (!keeps[i] || isMerge(pair) || sameData(old[key], value[key])) continue;
    changeValue(editor, pair.value as Node | null, old[key], value[key], spotOfPair(editor, map, pair));
  }
  const ends = map.items.map((pair) => ({ start: pairStart(pair), end: pairEnd(editor, pair) }));
  if (map.flow) {
    const texts = fresh.map((key) => renderInline({ [key]: value[key] }).slice(2, -2));
    return changeFlow(editor, ends, keeps, texts);
  }
  if (!removeLines(editor, ends, keeps)) return false;
  const many = fresh.length > SORTED_INSERTS_MAX;
  for (const key of fresh) {
    insertEntry(
      editor,
      map,
      key,
      value[key],
      many ? map.items.at(-1) : predecessor(editor, map, key, root),
      root,
    );
  }
  return true;
}

function changeList(
  editor: Editor,
  list: YAMLSeq,
  old: readonly unknown[],
  value: readonly unknown[],
): boolean {
  const alignment = alignLists(old, value);
  if (!alignment || alignment.pairs.length === 0) return false;
  const items = list.items as Node[];
  if (list.flow) return changeFlowList(editor, items, old, value, alignment);
  const dashes = items.map((item) => dashBefore(editor.text, item));
  if (dashes.includes(-1)) return false;
  const keeps = items.map(() => false);
  for (const [from, to] of alignment.pairs) {
    keeps[from] = true;
    if (sameData(old[from], value[to])) continue;
    const dash = dashes[from]!;
    const spot = { flow: false, behind: dash + 1, indent: columnOf(editor.text, dash) };
    changeValue(editor, items[from]!, old[from], value[to], spot);
  }
  const ends = items.map((item, i) => ({ start: dashes[i]!, end: contentEnd(editor.text, item) }));
  if (!removeLines(editor, ends, keeps)) return false;
  const indent = columnOf(editor.text, dashes[0]!);
  for (const { after, to } of alignment.inserts) {
    const lines = renderItem(value[to], indent);
    if (after < 0) {
      if (!isIndent(editor.text, dashes[0]!)) return false;
      insertLines(editor, lineStart(editor.text, dashes[0]!), lines);
    } else insertLines(editor, nextLine(editor.text, ends[after]!.end), lines);
  }
  return true;
}

function changeFlowList(
  editor: Editor,
  items: readonly Node[],
  old: readonly unknown[],
  value: readonly unknown[],
  { pairs, inserts }: Alignment,
): boolean {
  const last = pairs.at(-1)![1];
  if (inserts.some(({ to }) => to < last) || items.some((item) => !item?.range)) return false;
  const keeps = items.map(() => false);
  for (const [from, to] of pairs) {
    keeps[from] = true;
    if (sameData(old[from], value[to])) continue;
    changeValue(editor, items[from]!, old[from], value[to], { flow: true, behind: 0, indent: 0 });
  }
  const ends = items.map((item) => ({ start: item.range![0], end: contentEnd(editor.text, item) }));
  return changeFlow(
    editor,
    ends,
    keeps,
    inserts.map(({ to }) => renderInline(value[to])),
  );
}

interface Extent {
  readonly start: number;
  readonly end: number;
}

/** Removes items between commas, and puts new ones at the end. */
function changeFlow(
  editor: Editor,
  items: readonly Extent[],
  keeps: readonly boolean[],
  texts: readonly string[],
): boolean {
  const last = keeps.lastIndexOf(true);
  for (let i = 0; i < items.length; i++) {
    if (keeps[i]) continue;
    const next = keeps.indexOf(true, i);
    if (next >= 0) {
      editor.splices.push({ start: items[i]!.start, end: items[next]!.start, text: '' });
      i = next - 1;
    } else {
      editor.splices.push({ start: items[last]!.end, end: items.at(-1)!.end, text: '' });
      break;
    }
  }
  if (texts.length === 0) return true;
  const { end } = items[last]!;
  editor.splices.push({ start: end, end, text: texts.map((text) => `, ${text}`).join('') });
  return true;
}

/** Removes the lines of entries of a block. The first one may share its line with the dash of an item around it. */
function removeLines(editor: Editor, entries: readonly Extent[], keeps: readonly boolean[]): boolean {
  const { text } = editor;
  for (const [i, { start, end }] of entries.entries()) {
    if (keeps[i]) continue;
    if (isIndent(text, start)) {
      const till = behindComments(text, nextLine(text, end), columnOf(text, start));
      editor.splices.push({ start: lineStart(text, start), end: till, text: '' });
      continue;
    }
    const next = keeps.indexOf(true, i);
    if (i > 0 || next !== 1) return false;
    editor.splices.push({ start, end: entries[next]!.start, text: '' });
  }
  return true;
}

/** Behind the comments that are indented further than the entry above them: they are part of it. */
function behindComments(text: string, start: number, column: number): number {
  let till = start;
  for (let at = start; at < text.length; at = nextLine(text, at)) {
    const line = text.slice(at, lineEnd(text, at));
    const indent = line.length - line.trimStart().length;
    if (line.trim() === '') continue;
    if (line[indent] !== '#' || indent <= column) break;
    till = nextLine(text, at);
  }
  return till;
}

/** `before`: the pair that it comes after; the first of all without. */
function insertEntry(
  editor: Editor,
  map: YAMLMap,
  key: string,
  value: unknown,
  before: Pair | undefined,
  root: boolean,
): void {
  const { text } = editor;
  const first = map.items[0]!;
  const lines = renderEntry(key, value, columnOf(text, pairStart(first)));
  if (!before) {
    insertLines(editor, lineStart(text, pairStart(first)), lines);
    return;
  }
  const at = nextLine(text, pairEnd(editor, before));
  // Sections that are set apart by empty lines stay so.
  const apart = root && map.items.length > 1 && hasBlankLine(editor, map, before);
  insertLines(editor, at, apart ? ['', ...lines] : lines);
}

/** The pair that a new key comes after; undefined: it comes first. */
function predecessor(editor: Editor, map: YAMLMap, key: string, root: boolean): Pair | undefined {
  const last = map.items.at(-1);
  if (root && editor.order.includes(key)) {
    const rank = (pair: Pair) => editor.order.indexOf(keyText(pair));
    const place = editor.order.indexOf(key);
    const earlier = map.items.filter((pair) => rank(pair) >= 0 && rank(pair) < place);
    return earlier.at(-1) ?? last;
  }
  const keys = map.items.map(keyText);
  const sorted = keys.length > 2 && keys.every((other, i) => i === 0 || keys[i - 1]! <= other);
  if (!sorted) return last;
  const next = keys.findIndex((other) => other > key);
  if (next < 0) return last;
  // What is above the first key may be a comment on it, or share its line with a dash.
  return next === 0
    ? isIndent(editor.text, pairStart(map.items[0]!))
      ? undefined
      : last
    : map.items[next - 1];
}

function hasBlankLine({ text }: Editor, map: YAMLMap, before: Pair): boolean {
  const at = map.items.indexOf(before);
  const next = map.items[at + 1];
  const previous = map.items[at - 1];
  const gap = next
    ? text.slice(nextLine(text, pairEnd({ text }, before)), pairStart(next))
    : text.slice(previous ? nextLine(text, pairEnd({ text }, previous)) : 0, pairStart(before));
  return /(?:^|\n)[ \t]*\r?\n/.test(gap);
}

function insertLines(editor: Editor, at: number, lines: readonly string[]): void {
  const { text, eol } = editor;
  const open = at === text.length && !text.endsWith('\n');
  const joined = lines.join(eol);
  editor.splices.push({ start: at, end: at, text: open ? `${eol}${joined}` : `${joined}${eol}` });
}

/** Puts a new value in the place of another one, on the line of its key or below. */
function replaceValue(editor: Editor, node: Node | null, value: unknown, spot: Spot): void {
  const { text } = editor;
  const old: Extent =
    node?.range && !isEmpty(node)
      ? { start: node.range[0], end: contentEnd(text, node) }
      : { start: spot.behind, end: spot.behind };
  const wasBlock = isCollection(node) && !node.flow;
  if (spot.flow)
    return replaceInline(editor, old, node ? inlineText(node, value) : `: ${renderInline(value)}`);
  const full = typeof value === 'object' && value !== null && Object.keys(value).length > 0;
  const block = full && (wasBlock || !isInline(value, columnOf(text, spot.behind) + 1));
  if (!wasBlock) {
    if (!block) return replaceInline(editor, old, inlineText(node, value));
    return replaceByBlock(editor, old, renderBlock(value, spot.indent + 2), spot);
  }
  const below = lineStart(text, old.start) > spot.behind;
  const end = lineEnd(text, old.end);
  if (block) {
    const column = columnOf(text, blockStart(text, node, old.start));
    // A list may stand at the column of its key, a map may not.
    const indent = Array.isArray(value) ? column : Math.max(column, spot.indent + 2);
    const joined = renderBlock(value, indent).join(editor.eol);
    const start = below ? lineStart(text, old.start) : old.start;
    editor.splices.push({ start, end, text: below ? joined : joined.slice(indent) });
  } else if (below) {
    editor.splices.push({ start: spot.behind, end: spot.behind, text: ` ${renderInline(value)}` });
    editor.splices.push({ start: lineStart(text, old.start), end: nextLine(text, old.end), text: '' });
  } else editor.splices.push({ start: old.start, end, text: renderInline(value) });
}

/** Makes what stands here the first item of a block list; its own text and comments stay. */
function wrapValue(editor: Editor, node: Node | null, value: readonly unknown[], spot: Spot): boolean {
  const { text } = editor;
  if (!node?.range || spot.flow || text[spot.behind - 1] !== ':' || node.anchor !== undefined) return false;
  const [start, end] = [node.range[0], contentEnd(text, node)];
  const rest = (indent: number) => value.slice(1).flatMap((item) => renderItem(item, indent));
  if (!isCollection(node) || node.flow) {
    const source = text.slice(start, end);
    if (source.includes('\n') || isEmpty(node)) return false;
    const indent = spot.indent + 2;
    replaceByBlock(editor, { start, end }, [`${' '.repeat(indent)}- ${source}`, ...rest(indent)], spot);
    return true;
  }
  if (!isMap(node) || !isIndent(text, start)) return false;
  editor.splices.push({ start, end: start, text: '- ' });
  for (let at = nextLine(text, start); at < end; at = nextLine(text, at)) {
    if (text.slice(at, nextLine(text, at)).trim() !== '')
      editor.splices.push({ start: at, end: at, text: '  ' });
  }
  insertLines(editor, nextLine(text, end), rest(columnOf(text, start)));
  return true;
}

function replaceInline(editor: Editor, { start, end }: Extent, inline: string): void {
  const space = start > 0 && /[:-]/.test(editor.text[start - 1]!) && !inline.startsWith(':') ? ' ' : '';
  editor.splices.push({ start, end, text: `${space}${inline}` });
}

/** A comment behind the old value stays behind the key. */
function replaceByBlock(editor: Editor, { start, end }: Extent, lines: readonly string[], spot: Spot): void {
  const { text } = editor;
  if (text[spot.behind - 1] === '-') {
    const joined = lines.join(editor.eol).trimStart();
    editor.splices.push({ start, end, text: text[start - 1] === '-' ? ` ${joined}` : joined });
    return;
  }
  editor.splices.push({ start: Math.min(start, spot.behind), end, text: '' });
  insertLines(editor, nextLine(text, end), lines);
}

/** A text keeps the quotes that it had. */
function inlineText(node: Node | null, value: unknown): string {
  if (typeof value !== 'string' || !isScalar(node)) return renderInline(value);
  if (node.type === Scalar.QUOTE_SINGLE) return renderText(value, 'single');
  return renderText(value, node.type === Scalar.QUOTE_DOUBLE ? 'double' : 'auto');
}

/** Every alias written out, so that a part can be changed without the others that share it. */
function expandAliases(text: string, document: Document): string {
  const splices: Splice[] = [];
  visit(document, {
    Alias(_, alias) {
      const node = alias.resolve(document);
      if (node && alias.range) {
        splices.push({ start: alias.range[0], end: alias.range[1], text: renderInline(node.toJS(document)) });
      }
    },
  });
  return applySplices({ text, eol: '\n', order: [], splices }) ?? text;
}
