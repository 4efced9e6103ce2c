import { Head } from '../../src/core/http/head.js';

export function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

export function textOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
}

/** The parsed head of a complete message, or the code for which it is refused. */
export function parseHead(kind: 'request' | 'response', text: string): Head | string {
  const head = new Head(kind);
  const bytes = bytesOf(text);
  const length = head.parse(bytes, 0, bytes.length);
  if (length === 0) throw new Error('the head is not complete');
  return length < 0 ? (head.error ?? 'no code') : head;
}
