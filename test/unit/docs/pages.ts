import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';

export const ROOT: string = resolve(import.meta.dirname, '../../..');

/** A Markdown file of the repository; `path` is relative to its root. */
export interface Page {
  readonly path: string;
  readonly text: string;
}

/** A fenced block. `language` is the first word behind the fence. */
export interface Block {
  readonly page: string;
  readonly line: number;
  readonly language: string;
  readonly text: string;
}

/** Every document that readers find: those of the root, of docs/ and of geodb/. */
export function allPages(): readonly Page[] {
  const paths = [
    ...markdownIn(ROOT, false),
    ...markdownIn(join(ROOT, 'docs'), true),
    ...markdownIn(join(ROOT, 'geodb'), true),
  ];
  return paths.map((path) => page(relative(ROOT, path)));
}

export function page(path: string): Page {
  return { path, text: readFileSync(join(ROOT, path), 'utf8') };
}

/** The fenced blocks of a page, without the indentation that a list gives them. */
export function blocksOf({ path, text }: Page): readonly Block[] {
  return [...text.matchAll(/^( *)```(\S*)[^\n]*\n([\s\S]*?)^\1```$/gm)].map((match) => {
    const [, indent = '', language = '', body = ''] = match;
    return {
      page: path,
      line: text.slice(0, match.index).split('\n').length,
      language,
      text: body.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
    };
  });
}

/** The text of a page without its fenced blocks. */
export function proseOf({ text }: Page): string {
  return text.replaceAll(/^( *)```[\s\S]*?^\1```$/gm, '');
}

/** The cells of each row of the tables under a heading, without the row of titles. */
export function tableRows({ text }: Page, heading: string): readonly (readonly string[])[] {
  const start = text.indexOf(`\n${heading}\n`);
  if (start < 0) throw new Error(`no heading "${heading}"`);
  const section = text.slice(start + heading.length + 1).split(/^#{1,6} /m)[0] ?? '';
  return section
    .split('\n')
    .filter(
      (line, i, lines) => line.startsWith('|') && !/^\|[\s:|-]+\|$/.test(line) && !isTitle(lines[i + 1]),
    )
    .map((line) =>
      line
        .replaceAll('\\|', '∣')
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

function isTitle(next: string | undefined): boolean {
  return next !== undefined && /^\|[\s:|-]+\|$/.test(next);
}

function markdownIn(folder: string, deep: boolean): string[] {
  return readdirSync(folder, { recursive: deep, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.md'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}
