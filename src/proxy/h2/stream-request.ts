import type { ContentCoding } from '../../core/http/accept-encoding.js';
import type { RequestFacts } from '../../core/http/hygiene.js';
import type { StreamRoute } from './context.js';

/** One request of a client, as it is to be passed on. */
export interface StreamRequest {
  readonly facts: RequestFacts;
  /** For the endpoint, as `writeRequestHead` made it. */
  readonly head: Uint8Array;
  readonly hasBody: boolean;
  readonly route: StreamRoute;
  /** For `pick`. */
  readonly key: number;
  readonly sensitive: readonly string[];
  /** `grpc-timeout`. */
  readonly grpcTimeout: string | null;
  /** What the client takes, where the route compresses. */
  readonly coding: ContentCoding | null;
}
