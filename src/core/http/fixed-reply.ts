/** Responses that the proxy knows before any request came: their bytes are made once. */

import { latin1Bytes } from './ascii.js';
import { fieldLines } from './field-edits.js';
import { statusReason } from './reason.js';
import { BODYLESS, type Field, type FixedResponse } from './route-action.js';

/** How the connection of the client goes on, and whether it wants a body. */
export interface ReplyForm {
  readonly close: boolean;
  readonly toHead: boolean;
}

export interface FixedReply {
  readonly status: number;
  bytes(form: ReplyForm): Uint8Array;
}

export function fixedReply(response: FixedResponse): FixedReply {
  const body = BODYLESS.has(response.status) ? null : response.body;
  const make = (form: ReplyForm): Uint8Array =>
    responseBytes({ status: response.status, fields: response.fields, type: response.type, body }, form);
  const [keep, keepHead, close, closeHead] = [
    make({ close: false, toHead: false }),
    make({ close: false, toHead: true }),
    make({ close: true, toHead: false }),
    make({ close: true, toHead: true }),
  ];
  return {
    status: response.status,
    bytes: ({ close: closes, toHead }) => (closes ? (toHead ? closeHead : close) : toHead ? keepHead : keep),
  };
}

/** The head of a response whose body has `length` bytes. Values have one character per byte. */
export function responseHeadBytes(
  status: number,
  fields: readonly Field[],
  length: number,
  close: boolean,
): Uint8Array {
  const text = `HTTP/1.1 ${status} ${statusReason(status)}\r\n${fieldLines(fields)}Content-Length: ${length}\r\nConnection: ${close ? 'close' : 'keep-alive'}\r\n\r\n`;
  return latin1Bytes(text);
}

export interface ResponseParts {
  readonly status: number;
  readonly fields: readonly Field[];
  readonly type: string;
  /** Null for a status that has no body. */
  readonly body: string | null;
}

/** The bytes of a response with a known body. A field of the route replaces the same one of ours. */
export function responseBytes(parts: ResponseParts, { close, toHead }: ReplyForm): Uint8Array {
  const { status, fields, type } = parts;
  const body = new TextEncoder().encode(parts.body ?? '');
  const has = (name: string): boolean => fields.some((field) => field.name.toLowerCase() === name);
  let head = `HTTP/1.1 ${status} ${statusReason(status)}\r\n`;
  if (parts.body !== null && !has('content-type')) head += `Content-Type: ${type}\r\n`;
  // A 204 must not have a length (RFC 9110 §8.6); a 205 must have one or end the connection (§15.3.6).
  if (status !== 204 && status !== 304) head += `Content-Length: ${body.length}\r\n`;
  head += `${fieldLines(fields)}Connection: ${close ? 'close' : 'keep-alive'}\r\n\r\n`;
  const bytes = new TextEncoder().encode(head);
  if (toHead || body.length === 0) return bytes;
  const all = new Uint8Array(bytes.length + body.length);
  all.set(bytes);
  all.set(body, bytes.length);
  return all;
}
