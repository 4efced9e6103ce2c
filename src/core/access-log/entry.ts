/** Why a response is not what an endpoint sent, or is not whole. Their order is the format between worker and log. */
export const ACCESS_REASONS = [
  'none',
  'malformed_request',
  'no_route',
  'no_endpoint',
  'no_room',
  'queue_timeout',
  'connect_failed',
  'connect_timeout',
  'response_timeout',
  'request_timeout',
  'malformed_response',
  'upstream_closed',
  'client_closed',
  'limited',
  'redirect',
  'fixed',
  'draining',
  'breaker_open',
  'denied',
  'shed',
  'coalesced',
] as const;

export type AccessReason = (typeof ACCESS_REASONS)[number];

export const ACCESS_PROTOCOLS = ['HTTP/1.1', 'HTTP/1.0', 'HTTP/2', 'TCP', 'UDP'] as const;

export type AccessProtocol = (typeof ACCESS_PROTOCOLS)[number];

/**
 * One request that ended. A worker has one of these, fills it for a request that is logged, and adds it to its ring: no object
 * is made. Texts may hold whatever a client sent.
 */
export interface AccessEntry {
  /** When it ended, milliseconds since 1970. */
  timeMs: number;
  /** Address, without the port. */
  client: string;
  listener: string;
  protocol: AccessProtocol;
  tls: boolean;
  method: string;
  host: string;
  /** Without the query: that often holds secrets. */
  path: string;
  /** 0: nothing was answered. */
  status: number;
  /** Of the bodies. */
  bytesIn: number;
  bytesOut: number;
  /** From the head to the end of the response. */
  durationMs: number;
  /** From the head to the head of the response; below 0: there was none. */
  upstreamMs: number;
  /** Empty where the request did not get there. */
  pool: string;
  endpoint: string;
  retries: number;
  reason: AccessReason;
}

export function newAccessEntry(): AccessEntry {
  return {
    ...{
      timeMs: 0,
      client: '',
      listener: '',
      protocol: 'HTTP/1.1',
      tls: false,
      method: '',
      host: '',
      path: '',
    },
    ...{ status: 0, bytesIn: 0, bytesOut: 0, durationMs: 0, upstreamMs: -1, pool: '', endpoint: '' },
    ...{ retries: 0, reason: 'none' },
  };
}
