// What soak-proxy.mjs sends, and how it checks what comes back.
import { connect } from 'node:net';

const BODY_MAX = 20_000;
/** A client that gets nothing for so long is stuck. */
const STUCK_MS = 20_000;
const PAUSE_MS = 40;

/** The body of request `number`: its number again and again, of a length that follows from it. */
export function bodyOf(number) {
  const length = number % 7 === 0 ? 0 : (number * 7919) % (number % 5 === 0 ? BODY_MAX : 300);
  return `${number} `.repeat(Math.ceil(length / 7) + 1).slice(0, length);
}

/** One kept connection of soak-proxy.mjs; a new one after it broke. */
export class SoakClient {
  #port;
  #tally;
  #socket = null;
  #received = '';
  #notify = () => {};

  constructor(port, tally) {
    this.#port = port;
    this.#tally = tally;
  }

  /** Sends request `number` and checks its response. What is wrong, or null. */
  async ask(number, random) {
    this.#open();
    const body = bodyOf(number);
    this.#send(number, body, random);
    for (;;) {
      const response = readResponse(this.#received);
      if (typeof response === 'string') return `request ${number}: ${response}`;
      if (response !== null) return this.#check(number, body, response);
      if (this.#socket === null) {
        this.#tally.broken++;
        return null;
      }
      if (!(await this.#more())) return `request ${number}: nothing for ${STUCK_MS} ms`;
    }
  }

  close() {
    this.#socket?.destroy();
  }

  #check(number, body, { status, fields, payload, end }) {
    this.#received = this.#received.slice(end);
    const { statuses } = this.#tally;
    statuses[status] = (statuses[status] ?? 0) + 1;
    if (this.#received !== '') return `request ${number}: bytes behind its response: ${show(this.#received)}`;
    if (/^connection: close/im.test(fields)) this.#drop();
    if (status >= 502 && status <= 504) {
      this.#tally.refused++;
      // The endpoint is on its way up again.
      return new Promise((resolve) => setTimeout(resolve, PAUSE_MS, null));
    }
    const answered = /^x-number: (\d+)/im.exec(fields)?.[1];
    if (status !== 200 || answered !== String(number))
      return `request ${number}: answer ${status} of ${answered}`;
    if (payload !== `answer ${body}`) return `request ${number}: body ${show(payload)}, wanted ${show(body)}`;
    this.#tally.ok++;
    return null;
  }

  #open() {
    if (this.#socket !== null) return;
    this.#received = '';
    const socket = connect({ host: '127.0.0.1', port: this.#port, noDelay: true });
    this.#socket = socket;
    const gone = () => {
      if (this.#socket === socket) this.#socket = null;
      this.#notify(true);
    };
    socket.setEncoding('latin1');
    socket.on('data', (text) => {
      if (this.#socket === socket) this.#received += text;
      this.#notify(true);
    });
    socket.on('error', () => {});
    socket.on('end', () => socket.destroy());
    socket.on('close', gone);
  }

  #drop() {
    this.#socket?.destroy();
    this.#socket = null;
  }

  #more() {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), STUCK_MS);
      this.#notify = (value) => {
        clearTimeout(timer);
        resolve(value);
      };
    });
  }

  /** GET without a body, otherwise POST with a length or in two chunks, now and then in two pieces. */
  #send(number, body, random) {
    const method = body === '' ? 'GET' : 'POST';
    const chunked = body !== '' && number % 3 === 0;
    const half = body.length >> 1;
    const chunk = (text) => (text === '' ? '' : `${text.length.toString(16)}\r\n${text}\r\n`);
    const framing = chunked
      ? 'Transfer-Encoding: chunked\r\n'
      : body === ''
        ? ''
        : `Content-Length: ${body.length}\r\n`;
    const payload = chunked ? `${chunk(body.slice(0, half))}${chunk(body.slice(half))}0\r\n\r\n` : body;
    const head = `${method} /${number} HTTP/1.1\r\nHost: www.example.com\r\nX-Number: ${number}\r\n${framing}\r\n`;
    const bytes = head + payload;
    const cut = random() < 0.2 ? Math.floor(random() * bytes.length) : bytes.length;
    this.#socket.write(bytes.slice(0, cut), 'latin1');
    if (cut < bytes.length) this.#socket.write(bytes.slice(cut), 'latin1');
  }
}

/** The first response, null if it is not complete, or what is wrong with it. */
function readResponse(text) {
  const headEnd = text.indexOf('\r\n\r\n');
  if (headEnd < 0) return null;
  const head = text.slice(0, headEnd);
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]);
  if (!(status >= 200)) return `head ${show(head)}`;
  const fields = head.slice(head.indexOf('\r\n') + 2);
  const length = /^content-length: (\d+)$/im.exec(fields)?.[1];
  let at = headEnd + 4;
  if (length !== undefined) {
    const end = at + Number(length);
    return text.length < end ? null : { status, fields, payload: text.slice(at, end), end };
  }
  if (!/^transfer-encoding: chunked$/im.test(fields)) return `no framing: ${show(head)}`;
  for (let payload = ''; ; ) {
    const lineEnd = text.indexOf('\r\n', at);
    if (lineEnd < 0) return null;
    const size = Number.parseInt(text.slice(at, lineEnd), 16);
    if (!Number.isInteger(size)) return `chunk size ${show(text.slice(at, lineEnd))}`;
    at = lineEnd + 2 + size + 2;
    if (text.length < at) return null;
    payload += text.slice(lineEnd + 2, lineEnd + 2 + size);
    if (size === 0) return { status, fields, payload, end: at };
  }
}

function show(text) {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}… (${text.length})` : text);
}
