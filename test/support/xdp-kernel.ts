import { EAGAIN, type Linux } from '../../src/io/batched/linux.js';
import { FRAMES, type RingPlace, type XdpQueue } from '../../src/io/xdp/queue.js';
import { Ring } from '../../src/io/xdp/ring.js';

const CHUNK = 2048;
/** The kernel's: what it leaves before a frame, and how many it sends by one call. */
const HEADROOM = 256;
const SENDS_MAX = 32;
const INDEXES_BYTES = 192;
const NEED_WAKEUP = 1;

type RingName = 'receive' | 'send' | 'fill' | 'completion';

/** The kernel's side of an AF_XDP socket, in plain memory: frames come in, are sent and completed when a test says so. */
export class XdpKernel {
  readonly queue: XdpQueue;
  readonly linux: Pick<Linux, 'view' | 'send' | 'recv' | 'errno'>;
  readonly frames: Uint8Array = new Uint8Array(FRAMES * CHUNK);
  /** Frames that were sent. */
  readonly sent: Uint8Array[] = [];
  /** What send(2) says: an error number, or 0. */
  errno = 0;
  sends = 0;
  receives = 0;
  readonly rings: Readonly<Record<RingName, Ring>>;
  readonly #memory = new Map<number, ArrayBuffer>();
  /** On the wire, and not completed yet. */
  readonly #underway: number[] = [];

  /** `start` is where the indexes of all rings begin. */
  constructor(start = 0) {
    this.#memory.set(1, this.frames.buffer as ArrayBuffer);
    const place = (address: number, words: number): RingPlace => {
      const bytes = INDEXES_BYTES + FRAMES * words * 4;
      const memory = new ArrayBuffer(bytes);
      new Int32Array(memory, 0, 1)[0] = start;
      new Int32Array(memory, 64, 1)[0] = start;
      this.#memory.set(address, memory);
      return { address, bytes, producer: 0, consumer: 64, flags: 128, entries: INDEXES_BYTES };
    };
    const places = { receive: place(2, 4), send: place(3, 4), fill: place(4, 2), completion: place(5, 2) };
    this.queue = { interface: 'x0', index: 0, fd: 77, address: 1, chunkBytes: CHUNK, ...places };
    this.linux = {
      view: (address) => this.#memory.get(address)!,
      send: () => this.#send(),
      recv: () => {
        this.receives++;
        return 0;
      },
      errno: () => this.errno || EAGAIN,
    };
    this.rings = {
      receive: new Ring(this.linux, places.receive, 'descriptors'),
      send: new Ring(this.linux, places.send, 'descriptors'),
      fill: new Ring(this.linux, places.fill, 'addresses'),
      completion: new Ring(this.linux, places.completion, 'addresses'),
    };
    for (let i = 0; i < FRAMES; i++) this.rings.fill.put(start + i, i * CHUNK);
    this.rings.fill.produce(start + FRAMES);
    this.needWakeup('send', true);
  }

  needWakeup(ring: 'send' | 'fill', wanted: boolean): void {
    new Int32Array(this.#memory.get(this.queue[ring].address)!, 128, 1)[0] = wanted ? NEED_WAKEUP : 0;
  }

  /** A frame comes in; false if there is no memory for it. */
  deliver(frame: Uint8Array, at = HEADROOM): boolean {
    const { fill, receive } = this.rings;
    if (fill.waiting === 0) return false;
    const chunk = fill.frameAt(fill.consumed);
    fill.consume(fill.consumed + 1);
    this.frames.set(frame, chunk + at);
    receive.put(receive.produced, chunk + at, frame.length);
    receive.produce(receive.produced + 1);
    return true;
  }

  /** Frames have left, at most so many. */
  complete(most = Number.POSITIVE_INFINITY): void {
    const { completion } = this.rings;
    for (let i = 0; i < most && this.#underway.length > 0; i++) {
      completion.put(completion.produced, this.#underway.shift()!);
      completion.produce(completion.produced + 1);
    }
  }

  /** The chunk of every frame, wherever it is: each of them once, if none was lost or doubled. */
  owned(): readonly number[] {
    const inRings = Object.values(this.rings).flatMap((ring) =>
      Array.from({ length: ring.waiting }, (_, i) => ring.frameAt(ring.consumed + i)),
    );
    return [...inRings, ...this.#underway].map((at) => Math.floor(at / CHUNK)).toSorted((a, b) => a - b);
  }

  /** Without an error it takes what it can by one call, and says EAGAIN where more waits. */
  #send(): number {
    this.sends++;
    if (this.errno !== 0) return -1;
    const { send } = this.rings;
    for (let i = 0; i < SENDS_MAX && send.waiting > 0; i++) {
      const at = send.frameAt(send.consumed);
      this.sent.push(this.frames.slice(at, at + send.lengthAt(send.consumed)));
      this.#underway.push(at);
      send.consume(send.consumed + 1);
    }
    return send.waiting > 0 ? -1 : 0;
  }
}
