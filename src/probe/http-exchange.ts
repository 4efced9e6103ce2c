/**
 * One request and its response over HTTP/1.1 (RFC 9112), on a connection of its own. Much leaner than a client for
 * everybody: the request is one write of a text, the head is judged in place, and of the body only what a monitor asks
 * about is kept.
 */
import type { Socket } from 'node:net';
import { BodyDecoder, responseFraming } from '../core/http/framing.js';
import { Head } from '../core/http/head.js';
import type { HttpCheck } from '../core/zone/check.js';
import type { StatusRange } from '../core/zone/model.js';
import type { Outcome } from './attempt.js';
import { BodyJudge, describeMiss } from './body-match.js';

/** The response's head may be this long; more is a failure. */
export const HEAD_BYTES_MAX = 16_384;
/** So much of a body is read and thrown away to end the connection cleanly; after that it is cut. */
export const BODY_BYTES_MAX = 65_536;
/** So long the peer may take to end the connection after the verdict. */
export const BODY_DRAIN_MS_MAX = 100;
/** 100 Continue and 103 Early Hints may come before the response (RFC 9110 §15.2). */
const INTERIM_MAX = 8;

/** Sends the request and judges the response. Returns how to end it at any time. */
export function exchange(socket: Socket, request: string, check: HttpCheck, outcome: Outcome): () => void {
  const reading = new Reading(check, outcome);
  socket.on('data', (chunk: Buffer) => reading.take(chunk));
  socket.on('end', () => reading.end());
  // Stay for the socket's whole life: an error after the result must find a listener.
  socket.on('error', (error) => outcome.fail(error));
  socket.on('close', () => reading.end());
  socket.write(request, 'latin1');
  return () => {
    reading.stop();
    socket.destroy();
  };
}

/** What a status says: `ok` is whether it is wanted. */
export function judgeStatus(
  status: number,
  wanted: readonly StatusRange[],
): { readonly ok: boolean; readonly detail: string } {
  const ok = wanted.some(({ from, to }) => status >= from && status <= to);
  return { ok, detail: ok ? `status ${status}` : `status ${status}, want ${formatStatus(wanted)}` };
}

/** `200–399, 418` */
export function formatStatus(ranges: readonly StatusRange[]): string {
  return ranges.map(({ from, to }) => (from === to ? `${from}` : `${from}–${to}`)).join(', ');
}

/** For heads that come whole, as nearly all do: it is free again when `parse` was judged. */
const sharedHead = new Head('response');

class Reading {
  readonly #check: HttpCheck;
  readonly #outcome: Outcome;
  /** The head's bytes so far, where they came in pieces. */
  #window: Buffer | undefined;
  #head: Head | undefined;
  #interim = 0;
  /** What the status says; present after the head. */
  #detail = '';
  /** Present between the head and the verdict, where that rests on the body. */
  #judge: BodyJudge | undefined;
  #decoder: BodyDecoder | undefined;
  #decided = false;
  #drained = 0;
  #drainTimer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(check: HttpCheck, outcome: Outcome) {
    this.#check = check;
    this.#outcome = outcome;
  }

  take(chunk: Buffer): void {
    if (this.#stopped) return;
    if (this.#decided) this.#drain(chunk.length);
    else if (this.#judge) this.#takeBody(this.#judge, chunk);
    else this.#takeHead(chunk);
  }

  /** The peer has said all that it will. */
  end(): void {
    if (this.#stopped) return;
    if (this.#judge && !this.#decided) this.#judged(this.#judge);
    this.#fail('connection closed without a response');
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#drainTimer);
  }

  #takeHead(chunk: Buffer): void {
    let bytes = this.#window ? Buffer.concat([this.#window, chunk]) : chunk;
    for (;;) {
      const head = this.#head ?? sharedHead;
      if (!this.#head) head.reset();
      const length = head.parse(bytes, 0, bytes.length);
      if (length < 0 && head.error !== 'head_too_large') {
        return this.#fail(`not a valid HTTP response: ${head.error}`);
      }
      if (length < 0 || length > HEAD_BYTES_MAX || (length === 0 && bytes.length >= HEAD_BYTES_MAX)) {
        return this.#fail('response head too large');
      }
      if (length === 0) {
        // It goes on in a head of its own, which remembers how far it has looked.
        this.#head ??= new Head('response');
        this.#window = bytes;
        return;
      }
      const { status } = head;
      const rest = bytes.subarray(length);
      if (status >= 200) return this.#judgeHead(head, rest);
      if (status === 101) return this.#fail('the peer switched protocols unasked');
      if (++this.#interim > INTERIM_MAX)
        return this.#fail('not a valid HTTP response: too many interim ones');
      this.#head = undefined;
      bytes = rest;
    }
  }

  #judgeHead(head: Head, rest: Buffer): void {
    const check = this.#check;
    const framing = responseFraming(head, check.method === 'HEAD');
    if (!framing.ok) return this.#fail(`not a valid HTTP response: ${framing.code}`);
    const { ok, detail } = judgeStatus(head.status, check.status);
    this.#window = undefined;
    this.#head = undefined;
    if (!ok || !check.body) {
      this.#decide(ok, detail);
      return this.#drain(rest.length);
    }
    this.#detail = detail;
    this.#judge = new BodyJudge(check.body);
    this.#decoder = new BodyDecoder();
    this.#decoder.begin(framing);
    this.#takeBody(this.#judge, rest);
  }

  #takeBody(judge: BodyJudge, bytes: Buffer): void {
    const decoder = this.#decoder!;
    let known = false;
    decoder.feed(bytes, 0, bytes.length, (from, start, end) => {
      if (!known) known = judge.push(from.subarray(start, end));
    });
    if (known || decoder.done) this.#judged(judge);
    else if (decoder.error) this.#fail(`not a valid HTTP response: ${decoder.error}`);
  }

  #judged(judge: BodyJudge): void {
    const ok = judge.ok();
    this.#decide(ok, ok ? `${this.#detail}, body as wanted` : describeMiss(this.#check.body!));
  }

  /**
   * The result is known. The peer gets a moment to close the connection, as it was asked to: who closes first keeps the
   * port busy for a minute (TIME_WAIT, RFC 9293 §3.6.1), and here there are thousands of probes in that.
   */
  #decide(ok: boolean, detail: string): void {
    this.#decided = true;
    this.#outcome.decide(ok, detail);
    this.#drainTimer = setTimeout(() => this.end(), BODY_DRAIN_MS_MAX);
  }

  #drain(bytes: number): void {
    this.#drained += bytes;
    if (this.#drained > BODY_BYTES_MAX) this.end();
  }

  /** What was decided stays; more bytes may be on their way to here, but say nothing any more. */
  #fail(detail: string): void {
    this.stop();
    this.#outcome.settle(false, detail);
  }
}
