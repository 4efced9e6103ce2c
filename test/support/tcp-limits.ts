import type { TcpLimits } from '../../src/dataplane/protocol.js';

/** Wide limits, with what a test wants otherwise. */
export function tcpLimits(limits: Partial<TcpLimits> = {}): TcpLimits {
  return {
    maxConnections: 8,
    idleTimeoutMs: 10_000,
    lifetimeMs: 600_000,
    maxPerClient: 64,
    maxQueries: 10_000,
    ...limits,
  };
}
