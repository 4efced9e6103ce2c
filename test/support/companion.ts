import { connect, type Socket } from 'node:net';

/**
 * An honest client beside an attack: it asks again as soon as it has its answer, on one kept connection, and checks
 * each answer against its request. The endpoint must answer `GET /honest/N` with a body of `honest N`.
 */
export class Companion {
  answered = 0;
  slowestMs = 0;
  /** The first thing that went wrong. */
  problem: string | null = null;
  /** While true it asks for nothing more. */
  paused = false;
  readonly #socket: Socket;
  #text = '';
  #askedMs = 0;
  #ended = false;

  constructor(port: number) {
    this.#socket = connect({ host: '127.0.0.1', port, noDelay: true });
    this.#socket.setEncoding('latin1');
    this.#socket.on('data', (text: string) => this.#read(text));
    this.#socket.on('error', (error) => this.#fail(error.message));
    this.#socket.on('close', () => this.#fail('the connection was closed'));
    this.#ask();
  }

  /** Ends it; says what went wrong, or null. */
  end(): string | null {
    this.#ended = true;
    this.#socket.destroy();
    return this.problem;
  }

  #ask(): void {
    this.#askedMs = performance.now();
    this.#socket.write(`GET /honest/${this.answered} HTTP/1.1\r\nHost: honest.example.com\r\n\r\n`);
  }

  #askSoon(): void {
    setTimeout(() => {
      if (this.#ended) return;
      if (this.paused) this.#askSoon();
      else this.#ask();
    }, PAUSE_MS);
  }

  #read(text: string): void {
    this.#text += text;
    const body = `honest ${this.answered}`;
    const end = this.#text.indexOf('\r\n\r\n');
    if (end < 0) return;
    const length = Number(/^Content-Length: (\d+)/im.exec(this.#text)?.[1] ?? 0);
    if (this.#text.length < end + 4 + length) return;
    if (!this.#text.startsWith('HTTP/1.1 200 ') || this.#text.slice(end + 4) !== body) {
      this.#fail(`wrong answer to request ${this.answered}: ${JSON.stringify(this.#text.slice(0, 400))}`);
      return;
    }
    this.slowestMs = Math.max(this.slowestMs, performance.now() - this.#askedMs);
    this.answered++;
    this.#text = '';
    // Some hundred requests a second are enough, and leave the processor to the attack.
    this.#askSoon();
  }

  #fail(problem: string): void {
    if (this.#ended) return;
    this.problem ??= problem;
    this.#socket.destroy();
  }
}

const PAUSE_MS = 2;

/** What the endpoint answers to a companion's request head, or null if it is somebody else's. */
export function answerToCompanion(head: string): string | null {
  const number = /^GET \/honest\/(\d+) /.exec(head)?.[1];
  if (number === undefined) return null;
  const body = `honest ${number}`;
  return `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}
