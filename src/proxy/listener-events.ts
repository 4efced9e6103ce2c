/** What listeners count beside connections and bytes: places in an array of numbers for each listener and thread. */
export const LISTENER_EVENT = {
  /** PROXY protocol: a trusted sender without a proper header; without one in time, or one too many that waits. */
  proxy_header_malformed: 0,
  proxy_header_late: 1,
  /** TLS passthrough: what came first is no TLS, or no proper ClientHello, or too long a one, or none in time. */
  hello_not_tls: 2,
  hello_malformed: 3,
  hello_too_long: 4,
  hello_late: 5,
  /** No name was asked for, or one without a route, and there is no pool for that. */
  hello_no_name: 6,
  hello_unknown_name: 7,
  /** Sessions for which no endpoint accepted. */
  no_endpoint: 8,
  /** UDP: datagrams of clients that were sent on, and answers that were sent back. */
  datagrams_in: 9,
  datagrams_out: 10,
  /** Flows that ended because nothing moved; that gave way to new ones; whose endpoint is not there (ICMP). */
  flow_expired: 11,
  flow_displaced: 12,
  flow_unreachable: 13,
  /** Datagrams without a flow, dropped: all flows are in use; the client has too many; no endpoint is up or has room. */
  dropped_full: 14,
  dropped_source: 15,
  dropped_no_endpoint: 16,
  /** Datagrams that the system did not take. */
  dropped_send: 17,
  /** HTTP/2 connections ended by force: floods; a client that takes nothing; one that never began. */
  http2_resets: 18,
  http2_settings: 19,
  http2_overhead: 20,
  http2_slow_reader: 21,
  http2_no_preface: 22,
  /** Connections refused: by the list of clients; too many, or too quick ones, of one source. */
  refused_access: 23,
  refused_source: 24,
  refused_rate: 25,
  /** Connections beyond the rate of TLS handshakes. */
  refused_handshakes: 26,
} as const;

export type ListenerEvent = keyof typeof LISTENER_EVENT;

export const LISTENER_EVENTS: readonly ListenerEvent[] = Object.keys(LISTENER_EVENT) as ListenerEvent[];

export function newEvents(): Float64Array {
  return new Float64Array(LISTENER_EVENTS.length);
}

export function countEvent(events: Float64Array, event: ListenerEvent): void {
  const at = LISTENER_EVENT[event];
  events[at] = events[at]! + 1;
}
