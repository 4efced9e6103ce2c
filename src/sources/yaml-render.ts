/** Plain data as YAML in the style of hand-written zone files: short maps and lists on one line, the rest as blocks. */

const LINE_WIDTH = 100;
/** What is nested deeper is easier to read as a block. */
const INLINE_DEPTH_MAX = 3;
/** Resolved as text by YAML 1.1 and 1.2 alike; everything else is put in quotes. */
const PLAIN = /^(?:[A-Za-z_][A-Za-z0-9_./@+-]*|\d{1,3}(?:\.\d{1,3}){3}(?:\/\d{1,2})?|\d{1,7}(?:ms|[smhd]))$/;
const RESERVED = /^(?:true|false|null|yes|no|on|off)$/i;
/** Not printable in YAML 1.2 (§5.1), but not escaped by JSON; and line breaks of YAML 1.1. */
const UNPRINTABLE = /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g;

/** `{ A: 192.0.2.1, weight: 3 }`: on one line, whatever its length. */
export function renderInline(value: unknown): string {
  if (typeof value === 'string') return renderText(value);
  if (Array.isArray(value)) return `[${value.map(renderInline).join(', ')}]`;
  if (!isPlainMap(value)) return typeof value === 'number' ? renderNumber(value) : String(value);
  const entries = Object.entries(value).map(([key, item]) => `${renderKey(key)}: ${renderInline(item)}`);
  return entries.length === 0 ? '{}' : `{ ${entries.join(', ')} }`;
}

/** Lines of a map or a list that is not empty, each behind `indent` spaces. */
export function renderBlock(value: object, indent: number): readonly string[] {
  if (Array.isArray(value)) return value.flatMap((item: unknown) => renderItem(item, indent));
  return Object.entries(value).flatMap(([key, item]) => renderEntry(key, item, indent));
}

/** Lines of one key and its value. */
export function renderEntry(key: string, value: unknown, indent: number): readonly string[] {
  const head = `${' '.repeat(indent)}${renderKey(key)}:`;
  if (isInline(value, head.length + 1)) return [`${head} ${renderInline(value)}`];
  return [head, ...renderBlock(value as object, indent + 2)];
}

/** Lines of one item of a list. */
export function renderItem(value: unknown, indent: number): readonly string[] {
  const head = `${' '.repeat(indent)}- `;
  if (isInline(value, head.length)) return [`${head}${renderInline(value)}`];
  const [first = '', ...rest] = renderBlock(value as object, indent + 2);
  return [`${head}${first.slice(indent + 2)}`, ...rest];
}

/** A whole file: maps of maps at its top are always blocks. */
export function renderFile(value: Readonly<Record<string, unknown>>): string {
  if (Object.keys(value).length === 0) return '{}\n';
  const lines = Object.entries(value).flatMap(([key, item]) => {
    const block =
      isPlainMap(item) && Object.values(item).some((part) => typeof part === 'object' && part !== null);
    return block ? [`${renderKey(key)}:`, ...renderBlock(item, 2)] : renderEntry(key, item, 0);
  });
  return `${lines.join('\n')}\n`;
}

/** Whether a value fits behind `column` characters, and is shallow enough to be read there. */
export function isInline(value: unknown, column: number): boolean {
  if (typeof value !== 'object' || value === null || Object.keys(value).length === 0) return true;
  return depthOf(value) <= INLINE_DEPTH_MAX && column + renderInline(value).length <= LINE_WIDTH;
}

/** A text as it was quoted before, or as plain as it may be. */
export function renderText(text: string, quotes: 'single' | 'double' | 'auto' = 'auto'): string {
  if (quotes === 'single' && /^[\x20-\x7e]*$/.test(text)) return `'${text.replaceAll("'", "''")}'`;
  if (quotes === 'auto' && PLAIN.test(text) && !RESERVED.test(text)) return text;
  return JSON.stringify(text).replaceAll(UNPRINTABLE, escaped);
}

export function isPlainMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function renderKey(key: string): string {
  return /^\d{1,7}$/.test(key) ? key : renderText(key);
}

function renderNumber(value: number): string {
  if (Number.isFinite(value)) return String(value);
  if (Number.isNaN(value)) return '.nan';
  return value > 0 ? '.inf' : '-.inf';
}

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let depth = 0;
  for (const item of Object.values(value)) depth = Math.max(depth, depthOf(item));
  return depth + 1;
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
