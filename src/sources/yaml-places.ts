/** Where the nodes of a YAML document stand in its text: offsets in UTF-16 units. */
import {
  type Alias,
  isCollection,
  isMap,
  isScalar,
  type Pair,
  type Scalar,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';

interface Source {
  readonly text: string;
}

/** Where a value stands: behind the colon of a key or the dash of an item, or in a flow collection. */
export interface Spot {
  readonly flow: boolean;
  /** Just behind the colon or the dash. */
  readonly behind: number;
  /** Column of the key or the dash. */
  readonly indent: number;
}

/** What may stand behind a key or a dash. */
export type Node = Scalar | Alias | YAMLMap | YAMLSeq;

/** Where a block begins: at its first key, or at its first dash. */
export function blockStart(text: string, node: YAMLMap | YAMLSeq, start: number): number {
  if (isMap(node)) return start;
  const dash = dashBefore(text, node.items[0] as Node);
  return dash < 0 ? start : dash;
}

/** Where the value of a pair stands, or would stand. */
export function spotOfPair({ text }: Source, map: YAMLMap, pair: Pair): Spot {
  const key = pair.key as Scalar;
  const end = key.range![1];
  if (map.flow && !pair.value) return { flow: true, behind: end, indent: 0 };
  return {
    flow: map.flow === true,
    behind: text.indexOf(':', end) + 1,
    indent: columnOf(text, key.range![0]),
  };
}

/** The text of a key; empty where it is no scalar. */
export function keyText({ key }: Pair): string {
  return isScalar(key) ? String(key.value) : '';
}

/** Whether a pair merges another map: `<<`. */
export function isMerge({ key }: Pair): boolean {
  return isScalar(key) && (typeof key.value === 'symbol' || key.source === '<<');
}

/** Where the key of a pair begins. */
export function pairStart({ key }: Pair): number {
  return (key as Scalar).range![0];
}

/** Behind the last character of a pair. */
export function pairEnd({ text }: Source, { key, value }: Pair): number {
  const { range } = key as Scalar;
  if (!value) return range![1];
  return isEmpty(value as Node) ? text.indexOf(':', range![1]) + 1 : contentEnd(text, value as Node);
}

/** Nothing behind a colon or a dash: its place is behind a comment, if there is one. */
export function isEmpty(node: Node): boolean {
  return isScalar(node) && node.value === null && node.range![0] === node.range![1];
}

/** Behind the last character of a node, without what follows on its line, and without the last line break of a text block. */
export function contentEnd(text: string, node: Node): number {
  if (isCollection(node) && !node.flow) {
    const last = node.items.at(-1);
    if (last && isMap(node)) return pairEnd({ text }, last as Pair);
    if (last) return contentEnd(text, last as Node);
  }
  const [start, end] = node.range!;
  let at = end;
  while (at > start && /\s/.test(text[at - 1]!)) at--;
  return at;
}

/** The dash before an item on the same line; -1 where there is none. */
export function dashBefore(text: string, item: Node | null): number {
  if (!item?.range) return -1;
  const head = text.slice(lineStart(text, item.range[0]), item.range[0]);
  const found = /-(?:[ \t]+[&!]\S*)*[ \t]*$/.exec(head);
  return found ? item.range[0] - head.length + found.index : -1;
}

/** The first character of the line of `at`. */
export function lineStart(text: string, at: number): number {
  return text.lastIndexOf('\n', at - 1) + 1;
}

/** Behind the last character of that line, before its line break. */
export function lineEnd(text: string, at: number): number {
  const next = text.indexOf('\n', at);
  if (next < 0) return text.length;
  return text[next - 1] === '\r' && next > at ? next - 1 : next;
}

/** The first character of the line behind it. */
export function nextLine(text: string, at: number): number {
  const next = text.indexOf('\n', at);
  return next < 0 ? text.length : next + 1;
}

/** Columns from the begin of the line, from 0. */
export function columnOf(text: string, at: number): number {
  return at - lineStart(text, at);
}

/** Whether nothing but white space stands before `at` on its line. */
export function isIndent(text: string, at: number): boolean {
  return text.slice(lineStart(text, at), at).trim() === '';
}
