import type { Connection } from '../network.js';
import type { BatchedConnection } from './connection.js';
import type { Loop } from './loop.js';
import { Pipes } from './pipes.js';
import { joinBySplice } from './splice.js';

/** The connections of a thread that are joined by `splice.ts`. */
export class Joints {
  readonly #loop: Loop;
  readonly #pipes: Pipes;
  readonly #stops = new Map<BatchedConnection, () => void>();

  constructor(loop: Loop) {
    this.#loop = loop;
    this.#pipes = new Pipes(loop.linux);
  }

  /** See Network. */
  join(
    a: BatchedConnection,
    b: BatchedConnection,
    moved: (from: Connection, bytes: number) => void,
  ): boolean {
    if (a.destroyed || b.destroyed || a.queued > 0 || b.queued > 0) return false;
    if (this.#stops.has(a) || this.#stops.has(b)) return false;
    // An accepted one may not have been added yet.
    a.watch();
    b.watch();
    const sides = [a, b] as const;
    let ends = 0;
    const joint = joinBySplice(
      [a.fd, b.fd],
      { loop: this.#loop, pipes: this.#pipes },
      {
        onMoved: (from, bytes) => moved(sides[from], bytes),
        onEnd: (from) => {
          const side = sides[from];
          side.handler.onEnd(side);
          if (++ends < 2) return;
          a.destroy();
          b.destroy();
        },
        onError: (side, errno) => sides[side].fail(errno),
      },
    );
    if (joint === null) return false;
    a.pause();
    b.pause();
    for (const side of sides) this.#stops.set(side, joint.stop);
    return true;
  }

  /** The connection is closed: its number may be another's at once, so that nothing moves through it any more. */
  forget(connection: BatchedConnection): void {
    this.#stops.get(connection)?.();
    this.#stops.delete(connection);
  }

  close(): void {
    for (const stop of this.#stops.values()) stop();
    this.#stops.clear();
    this.#pipes.close();
  }
}
