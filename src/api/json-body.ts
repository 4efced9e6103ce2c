/** JSON bodies, whose mistakes of syntax are told with line and column. */
import type { FastifyBodyParser, FastifyInstance } from 'fastify';
import type { Mistake } from './problem.js';

/** A body that is no JSON. */
export class InvalidJson extends Error {
  readonly statusCode = 400;
  readonly mistake: Mistake;

  constructor(mistake: Mistake) {
    const { line, column, message } = mistake;
    super(
      line === undefined ? `the body ${message}` : `the body, line ${line}, column ${column}: ${message}`,
    );
    this.name = 'InvalidJson';
    this.mistake = mistake;
  }
}

/** Fastify's parser, which refuses keys that would change prototypes, with the places of mistakes. */
export function jsonParser(app: Pick<FastifyInstance, 'getDefaultJsonParser'>): FastifyBodyParser<string> {
  const parse = app.getDefaultJsonParser('error', 'error');
  return (request, body, done) => {
    parse(request, body, (error, value) => {
      if (!error) done(null, value);
      else done(new InvalidJson(jsonMistake(body)));
    });
  };
}

/** What is wrong with a text that is no JSON (RFC 8259), and where: line and column count from 1. */
export function jsonMistake(text: string): Mistake {
  const found = firstMistake(text);
  // Syntax is right, so it is a key that could do harm.
  if (!found) return { path: 'body', message: 'has a key such as __proto__, which is not taken' };
  const before = text.slice(0, found.at);
  const line = before.split('\n').length;
  const column = before.length - before.lastIndexOf('\n');
  return { path: 'body', line, column, message: found.message };
}

const SPACE = /[ \t\n\r]*/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const SCALAR = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;

interface Found {
  readonly at: number;
  readonly message: string;
}

/** Walks through the text once; nesting costs a byte a level, and no stack. */
function firstMistake(text: string): Found | undefined {
  let at = 0;
  const take = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    const found = pattern.test(text);
    if (found) at = pattern.lastIndex;
    return found;
  };
  const takeString = (): boolean => {
    const end = endOfString(text, at);
    if (end > 0) at = end;
    return end > 0;
  };
  const wanted = (what: string): Found => ({ at, message: `${got(text, at)}, want ${what}` });
  const open: ('{' | '[')[] = [];
  /** What may come: a value, a key, or what follows a value. */
  let next: 'value' | 'key' | 'after' = 'value';
  /** Right after `{` or `[`, where it may close again. */
  let isFresh = false;
  for (;;) {
    take(SPACE);
    const char = text[at];
    if (next === 'after') {
      const level = open.at(-1);
      if (level === undefined) return at < text.length ? wanted('the end') : undefined;
      const end = level === '{' ? '}' : ']';
      if (char !== ',' && char !== end) return wanted(`\`,\` or \`${end}\``);
      at++;
      if (char === end) open.pop();
      else next = level === '{' ? 'key' : 'value';
      isFresh = false;
      continue;
    }
    if (isFresh && char === (next === 'key' ? '}' : ']')) {
      at++;
      open.pop();
      [next, isFresh] = ['after', false];
      continue;
    }
    isFresh = false;
    if (next === 'key') {
      if (char !== '"') return wanted('a key in double quotes');
      if (!takeString()) return { at, message: BAD_STRING };
      take(SPACE);
      if (text[at] !== ':') return wanted('`:`');
      at++;
      next = 'value';
      continue;
    }
    if (char === '{' || char === '[') {
      at++;
      open.push(char);
      [next, isFresh] = [char === '{' ? 'key' : 'value', true];
      continue;
    }
    if (char === '"' && !takeString()) return { at, message: BAD_STRING };
    if (char !== '"' && !take(SCALAR)) return wanted('a value');
    next = 'after';
  }
}

/** Behind the string that begins at a quote; 0 where it is none. A loop: bodies are too long for the stack of a pattern. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length) {
    const char = text.charCodeAt(at);
    if (char === 0x22) return at + 1;
    if (char < 0x20) return 0;
    if (char !== 0x5c) {
      at++;
      continue;
    }
    ESCAPE.lastIndex = at;
    if (!ESCAPE.test(text)) return 0;
    at = ESCAPE.lastIndex;
  }
  return 0;
}

const BAD_STRING = 'a string that does not end on its line, or has a wrong escape';

function got(text: string, at: number): string {
  const char = text.codePointAt(at);
  if (char === undefined) return 'the text ends here';
  const shown = String.fromCodePoint(char);
  return /[\p{Cc}\p{Cf}\p{Cs}]/u.test(shown) ? `U+${char.toString(16).padStart(4, '0')}` : `\`${shown}\``;
}
