import { setCookieKeys } from '../core/answer/identity.js';
import type { ProxyModel } from '../core/balance/model.js';
import type { ProxyLog } from '../proxy/modules.js';
import { newStickyMemory, type StickyMemory } from '../proxy/sticky.js';
import {
  type CookieSecretsResult,
  readCookieSecrets,
  watchCookieSecrets,
} from '../sources/cookie-secrets.js';
import { formatProblem } from '../sources/yaml-document.js';

/** The secrets of session cookies: read, followed while their file changes, and written where all workers read them. */
export class StickySecrets {
  readonly memory: StickyMemory = newStickyMemory();
  readonly #log: ProxyLog;
  #file: string | null = null;
  #watch: { close(): void } | null = null;

  constructor(log: ProxyLog) {
    this.#log = log;
  }

  /** Uses the file of a configuration from now on. What is wrong with it; then all stays as it was. */
  async use({ stickySecrets: file }: ProxyModel): Promise<readonly { readonly message: string }[]> {
    if (file === undefined || file === this.#file) return [];
    const failures = this.#take(await readCookieSecrets(file));
    if (failures.length > 0) return failures;
    this.#watch?.close();
    this.#file = file;
    this.#watch = watchCookieSecrets(file, (changed) => {
      const problems = this.#take(changed).map(({ message }) => message);
      if (problems.length > 0)
        this.#log.error({ problems }, 'secrets of sessions refused; those in use stay');
      else this.#log.info({ file }, 'the secrets of sessions changed');
    });
    return [];
  }

  close(): void {
    this.#watch?.close();
  }

  #take(read: CookieSecretsResult): readonly { readonly message: string }[] {
    if ('problems' in read) {
      return read.problems.map((problem) => ({ message: `sticky_secrets: ${formatProblem(problem)}` }));
    }
    setCookieKeys(this.memory.keys, read.secrets);
    return [];
  }
}
