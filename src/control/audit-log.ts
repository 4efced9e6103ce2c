/**
 * Who changed what: one JSON line for every request that changes something, or was refused to. In a file of the state folder that
 * is rotated by size; one older file is kept. No body and no token is ever in it.
 */
import { open } from 'node:fs/promises';
import { LogFile } from '../sources/log-file.js';

export interface AuditEntry {
  /** Rises by one. */
  readonly id: number;
  /** ISO 8601. */
  readonly at: string;
  readonly request_id: string;
  /** Name of the token; null where nobody is known. */
  readonly who: string | null;
  readonly role: string | null;
  readonly address: string;
  readonly method: string;
  /** Path and query of the URL, shortened. */
  readonly path: string;
  /** HTTP status. */
  readonly status: number;
  /** Of the problem, where it was refused. */
  readonly code?: string;
  readonly revision?: number;
  /** An answer that was given before (`Idempotency-Key`): nothing was done. */
  readonly replayed?: boolean;
  /** Refusals (401, 403, 429) that were left out before this one: only so many in a minute are written. */
  readonly omitted?: number;
  /** Further facts that a route gave. */
  readonly facts?: Readonly<Record<string, unknown>>;
}

export interface AuditQuestion {
  /** Only entries with a smaller id. */
  readonly before?: number;
  readonly limit: number;
  readonly fits?: (entry: AuditEntry) => boolean;
}

export const AUDIT_BYTES_MAX = 16 * 1024 * 1024;
const CHUNK_BYTES = 64 * 1024;

export interface AuditModules {
  readonly log: { error(facts: object, message: string): void };
}

export class AuditLog {
  readonly #path: string;
  readonly #file: LogFile;
  readonly #modules: AuditModules;
  #lastId = 0;
  #work: Promise<void> = Promise.resolve();

  private constructor(path: string, modules: AuditModules, bytesMax: number) {
    this.#path = path;
    this.#file = new LogFile(path, bytesMax);
    this.#modules = modules;
  }

  /** Opens the log, and goes on counting where it ends. Half a line that a crash left is closed. */
  static async open(
    path: string,
    modules: AuditModules,
    bytesMax: number = AUDIT_BYTES_MAX,
  ): Promise<AuditLog> {
    const audit = new AuditLog(path, modules, bytesMax);
    const [last] = await audit.read({ limit: 1 });
    audit.#lastId = last?.id ?? 0;
    if (await endsTorn(path)) await audit.#file.write('\n');
    return audit;
  }

  /** Writes an entry. Never rejects: a log that can't be written is an error in the node's own log. */
  append(entry: Omit<AuditEntry, 'id'>): Promise<void> {
    const line = `${JSON.stringify({ id: ++this.#lastId, ...entry })}\n`;
    this.#work = this.#work
      .then(() => this.#file.follow())
      .then(() => this.#file.write(line))
      .catch((error: unknown) => {
        this.#modules.log.error(
          { error: String(error), entry: line.trim() },
          'the audit log cannot be written',
        );
      });
    return this.#work;
  }

  /** The newest first. */
  async read({
    before = Number.POSITIVE_INFINITY,
    limit,
    fits = () => true,
  }: AuditQuestion): Promise<AuditEntry[]> {
    await this.#work;
    const found: AuditEntry[] = [];
    for (const path of [this.#path, `${this.#path}.1`]) {
      for await (const line of linesFromEnd(path)) {
        const entry = parseEntry(line);
        if (!entry || entry.id >= before || !fits(entry)) continue;
        found.push(entry);
        if (found.length >= limit) return found;
      }
    }
    return found;
  }

  /** Opens the file anew: it may have been renamed. */
  reopen(): void {
    this.#file.reopen();
  }

  async close(): Promise<void> {
    await this.#work;
    await this.#file.close();
  }
}

function parseEntry(line: string): AuditEntry | undefined {
  try {
    const entry: unknown = JSON.parse(line);
    const isEntry =
      typeof entry === 'object' && entry !== null && 'id' in entry && typeof entry.id === 'number';
    return isEntry ? (entry as AuditEntry) : undefined;
  } catch {
    // What a crash left of a line.
    return undefined;
  }
}

async function endsTorn(path: string): Promise<boolean> {
  for await (const text of chunksFromEnd(path)) return text.length > 0 && text.at(-1) !== 0x0a;
  return false;
}

async function* linesFromEnd(path: string): AsyncGenerator<string> {
  let rest = Buffer.alloc(0);
  for await (const chunk of chunksFromEnd(path)) {
    const bytes = Buffer.concat([chunk, rest]);
    const first = bytes.indexOf(0x0a);
    if (first < 0) {
      rest = bytes;
      continue;
    }
    rest = bytes.subarray(0, first);
    const lines = bytes
      .subarray(first + 1)
      .toString('utf8')
      .split('\n');
    for (const line of lines.reverse()) if (line !== '') yield line;
  }
  if (rest.length > 0) yield rest.toString('utf8');
}

/** The parts of a file, from its end to its begin; none where there is no file. */
async function* chunksFromEnd(path: string): AsyncGenerator<Buffer> {
  const file = await open(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (!file) return;
  try {
    let { size: end } = await file.stat();
    while (end > 0) {
      const length = Math.min(CHUNK_BYTES, end);
      end -= length;
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, end);
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}
