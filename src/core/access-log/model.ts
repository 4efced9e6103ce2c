import type { AccessClient } from './line.js';
import type { SamplerOptions } from './sampler.js';

/** What of the requests is logged, and where. */
export interface AccessLogModel extends SamplerOptions {
  readonly to: 'stdout' | 'stderr' | { readonly file: string };
  /** Of the file; then it is renamed, and a new one begins. */
  readonly maxBytes: number;
  readonly client: AccessClient;
}
