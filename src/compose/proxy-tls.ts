import { randomBytes, X509Certificate } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { ProxyModel } from '../core/balance/model.js';
import type { ProxyLog } from '../proxy/modules.js';
import type { ProxyTls } from '../proxy/tls.js';
import { readTlsFiles, type TlsMistake, type TlsTexts, tlsFilesOf } from '../sources/tls-files.js';
import { watchFiles } from '../sources/watch-files.js';
import { formatPath } from '../sources/yaml-document.js';

/** Files are looked at so often; it works on every file system, and however a file is replaced. */
const POLL_MS = 1_000;
/** A certificate and its key are two files: both should have been replaced. */
const SETTLE_MS = 200;
const ROTATE_MS = 12 * 3_600_000;
const TICKET_KEY_BYTES = 48;
/** Of a certificate's name in metrics. */
const NAME_MAX = 200;

export interface ProxyTlsModules {
  readonly log: ProxyLog;
  readonly nowMs: () => number;
  readonly pollMs?: number;
  readonly rotateMs?: number;
}

/** Certificates and ticket keys of a proxy: read, followed while they change, and rotated. */
export class ProxyTlsKeeper {
  readonly #model: ProxyModel;
  readonly #modules: ProxyTlsModules;
  readonly #keys = new TicketKeys();
  #texts: TlsTexts;
  #stop: () => void = () => {};

  /** Reads the files. The mistakes, each with the key of the configuration, if one can't be used. */
  static async open(
    model: ProxyModel,
    modules: ProxyTlsModules,
  ): Promise<ProxyTlsKeeper | { readonly mistakes: readonly TlsMistake[] }> {
    const texts = await readTlsFiles(model, modules.nowMs());
    if ('mistakes' in texts) return texts;
    warn(texts, modules.log);
    return new ProxyTlsKeeper(model, texts, modules);
  }

  private constructor(model: ProxyModel, texts: TlsTexts, modules: ProxyTlsModules) {
    this.#model = model;
    this.#texts = texts;
    this.#modules = modules;
  }

  get tls(): ProxyTls {
    const { listeners, pools } = this.#texts;
    return {
      pools,
      listeners: listeners.map((texts, i) => {
        if (texts === null) return null;
        const tickets = this.#model.listeners[i]?.tls?.tickets ?? false;
        return { ...texts, ticketKeys: tickets ? this.#keys.all : [] };
      }),
    };
  }

  /** The certificates of the listeners, each once, by name and end (milliseconds since 1970). */
  get certificates(): readonly { readonly name: string; readonly endsMs: number }[] {
    const texts = this.#texts.listeners.flatMap((listener) => listener?.certificates ?? []);
    const certificates = [...new Set(texts.map(({ cert }) => cert))].map((cert) => new X509Certificate(cert));
    return certificates.map(({ subject, subjectAltName, serialNumber, validTo }) => ({
      name: `${subjectAltName ?? subject.replaceAll('\n', ', ')} (${serialNumber})`.slice(0, NAME_MAX),
      endsMs: Date.parse(validTo),
    }));
  }

  /** Tells of each later state, until it is closed. Files with mistakes are refused: those in use stay. */
  watch(onChange: (tls: ProxyTls) => void): void {
    const { log, pollMs = POLL_MS, rotateMs = ROTATE_MS } = this.#modules;
    const files = tlsFilesOf(this.#model);
    let timer: NodeJS.Timeout | undefined;
    let closed = false;
    const reload = async (): Promise<void> => {
      const texts = await readTlsFiles(this.#model, this.#modules.nowMs());
      if (closed) return;
      if ('mistakes' in texts) {
        const problem = texts.mistakes.map(mistakeText).join('; ');
        log.error({ problem }, 'certificates refused; those in use stay');
        return;
      }
      if (isDeepStrictEqual(texts, this.#texts)) return;
      this.#texts = texts;
      warn(texts, log);
      log.info({ files: files.size }, 'certificates changed');
      onChange(this.tls);
    };
    const changed = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => void reload(), SETTLE_MS).unref();
    };
    const watch = watchFiles(files, changed, pollMs);
    // They may have changed since they were read.
    changed();
    const rotation = setInterval(() => {
      this.#keys.rotate();
      onChange(this.tls);
    }, rotateMs).unref();
    this.#stop = () => {
      closed = true;
      clearTimeout(timer);
      clearInterval(rotation);
      watch.close();
    };
  }

  close(): void {
    this.#stop();
  }
}

/** `listeners[0].tls.certificates[0].key: what is wrong`. */
export function mistakeText({ path, message }: TlsMistake): string {
  return `${formatPath(path)}: ${message}`;
}

/**
 * Three keys for session tickets. The next one opens tickets before it makes any: workers hear of a change one after
 * another, and each must be able to read what the others made.
 */
class TicketKeys {
  #current = newKey();
  #next = newKey();
  #previous: Uint8Array | null = null;

  /** The first one makes tickets, all of them open tickets. */
  get all(): readonly Uint8Array[] {
    return this.#previous === null
      ? [this.#current, this.#next]
      : [this.#current, this.#next, this.#previous];
  }

  rotate(): void {
    this.#previous = this.#current;
    this.#current = this.#next;
    this.#next = newKey();
  }
}

function newKey(): Uint8Array {
  return new Uint8Array(randomBytes(TICKET_KEY_BYTES));
}

function warn({ warnings }: TlsTexts, log: ProxyLog): void {
  for (const warning of warnings) log.warn({ key: formatPath(warning.path) }, warning.message);
}
