import type { Address, HealthCheck } from '../core/balance/model.js';

/** The settings of one check; what is absent has the checker's default. */
export type CheckSettings = Pick<HealthCheck, 'type' | 'intervalMs' | 'timeoutMs' | 'fall' | 'rise'> &
  Partial<Pick<HealthCheck, 'path' | 'host' | 'status' | 'verify' | 'service' | 'tls'>>;

/** Active checks, as the proxy needs them. The room `probe` has one; `compose` brings the two together. */
export interface HealthChecker {
  /** Calls `onChange` with the first result and then whenever the state changes, `onGood` after every good check. */
  watch(
    key: string,
    address: Address,
    check: CheckSettings,
    onChange: (up: boolean, detail: string) => void,
    onGood?: () => void,
  ): void;
  unwatch(key: string): void;
  /** Resolves when every watch of now has had its first result, or gave up waiting for it. */
  firstRound(): Promise<void>;
  close(): void;
}
