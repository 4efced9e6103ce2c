import { readFileSync, statSync } from 'node:fs';
import { extname, resolve } from 'node:path';
import { FIXED_BODY_BYTES_MAX } from '../core/http/route-action.js';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.htm': 'text/html; charset=utf-8',
  '.json': 'application/json',
  '.xml': 'application/xml',
  '.svg': 'image/svg+xml',
};

export interface PageFile {
  readonly body: string;
  /** By the name of the file; undefined for text. */
  readonly type?: string;
}

/** Reads the body of a fixed response: UTF-8, at most FIXED_BODY_BYTES_MAX. What is wrong with it is text. */
export function readPageFile(folder: string, file: string): PageFile | string {
  const path = resolve(folder, file);
  try {
    const stats = statSync(path);
    if (!stats.isFile()) return 'is no file';
    if (stats.size > FIXED_BODY_BYTES_MAX) {
      return `has ${stats.size} bytes; at most ${FIXED_BODY_BYTES_MAX} are allowed`;
    }
    const body = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(readFileSync(path));
    const type = TYPES[extname(path).toLowerCase()];
    return type === undefined ? { body } : { body, type };
  } catch (error) {
    if (error instanceof TypeError) return 'is no text in UTF-8';
    return `cannot be read: ${(error as NodeJS.ErrnoException).code ?? 'unknown error'}`;
  }
}
