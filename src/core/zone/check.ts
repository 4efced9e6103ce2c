/**
 * What a monitor asks, by its kind: plain data that a zone file gives and a probe of the same name carries out. How
 * often, and how results are judged, is the rest of the `Monitor`.
 */
import type { StatusRange } from './model.js';

export type Check =
  | TcpCheck
  | TlsCheck
  | HttpCheck
  | GrpcCheck
  | DnsCheck
  | IcmpCheck
  | UdpCheck
  | ExecCheck
  | FileCheck;

export type CheckType = Check['type'];

/** What goes over the network. */
interface Networked {
  /** Local addresses to ask from, at most one of each family; the system's choice for a family without one. */
  readonly sources?: readonly string[];
}

export interface TcpCheck extends Networked {
  readonly type: 'tcp';
  readonly port: number;
}

export interface TlsCheck extends Networked {
  readonly type: 'tls';
  readonly port: number;
  /** Server name, and the name that the certificate must be for; the endpoint's own when absent. */
  readonly host?: string;
  readonly verify: boolean;
  /** The certificate must be valid for so many days more. */
  readonly minDays: number;
}

/** What the first `BODY_BYTES_JUDGED` bytes of a body must hold: a text, or what a pattern of RE2 describes. */
export type BodyMatch = { readonly contains: string } | { readonly matches: string };

export interface HttpCheck extends Networked {
  readonly type: 'http' | 'https' | 'http2';
  readonly port: number;
  readonly path: string;
  readonly method: HttpMethod;
  /** Host header and TLS server name; the endpoint's own address or name when absent. */
  readonly host?: string;
  /** Further header fields, or another User-Agent or Accept. */
  readonly headers?: readonly (readonly [name: string, value: string])[];
  readonly status: readonly StatusRange[];
  readonly body?: BodyMatch;
  /** Check the certificate; without meaning for http. */
  readonly verify: boolean;
  /** http2 without TLS, by prior knowledge (RFC 9113 §3.3), where false. */
  readonly tls?: boolean;
}

export type HttpMethod = 'GET' | 'HEAD' | 'OPTIONS' | 'POST';

/** `grpc.health.v1.Health/Check`. */
export interface GrpcCheck extends Networked {
  readonly type: 'grpc';
  readonly port: number;
  /** Empty: the server as a whole. */
  readonly service: string;
  readonly host?: string;
  readonly tls: boolean;
  readonly verify: boolean;
}

export interface DnsCheck extends Networked {
  readonly type: 'dns';
  readonly port: number;
  /** Absolute, in presentation form. */
  readonly queryName: string;
  readonly queryType: number;
  readonly protocol: 'udp' | 'tcp';
  readonly rcode: number;
  /** Canonical text of an rdata that must be among the answers. */
  readonly value?: string;
}

export interface IcmpCheck extends Networked {
  readonly type: 'icmp';
}

/** Bytes in hexadecimal digits, two for each. */
export type Hex = string;

export interface UdpCheck extends Networked {
  readonly type: 'udp';
  readonly port: number;
  readonly send: Hex;
  /** Must be somewhere in the reply; any reply will do where absent. */
  readonly expect?: Hex;
}

export interface ExecCheck {
  readonly type: 'exec';
  /** Absolute path. */
  readonly program: string;
  /** `{address}` in them stands for the endpoint's address. */
  readonly args: readonly string[];
}

export interface FileCheck {
  readonly type: 'file';
  /** Absolute path; `{address}` in it stands for the endpoint's address. */
  readonly path: string;
  /** A file that was written longer ago says nothing any more: down. */
  readonly maxAgeMs: number;
}

/** A body is judged by so many of its first bytes. */
export const BODY_BYTES_JUDGED = 5120;

/** The least default distance between two probes of a target that is about to change, milliseconds. */
export const RETRY_MS_LEAST = 1000;

/**
 * How long after the start of a probe the next one starts, while the last result speaks against the verdict:
 * `retry_interval`, else a quarter of the interval but at least a second; never longer than the interval.
 */
export function retryIntervalMs(monitor: { readonly intervalMs: number; readonly retryMs?: number }): number {
  const { intervalMs, retryMs = Math.max(intervalMs / 4, RETRY_MS_LEAST) } = monitor;
  return Math.min(retryMs, intervalMs);
}
