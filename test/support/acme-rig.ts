import { AcmeBook, type AcmeOptions } from '../../src/control/acme-book.js';
import { findChallenges, foundChallenges } from '../../src/core/answer/challenge-table.js';
import { hashName } from '../../src/core/answer/name-table.js';
import { wireOf } from './packet.js';

/** A book of ACME accounts whose clock, random numbers and disk are the test's. */
export interface AcmeRig {
  readonly book: AcmeBook;
  /** What the disk has; undefined before the first write. */
  saved: string | undefined;
  /** Whether the disk takes writes. */
  isFull: boolean;
  nowMs: number;
  readonly logged: readonly string[];
  /** What is answered for a name; undefined where nothing stands at it. */
  answered(name: string): readonly string[] | undefined;
}

export function acmeRig(options: Partial<AcmeOptions> & { readonly first?: number } = {}): AcmeRig {
  const logged: string[] = [];
  const note = (facts: object, message: string) => void logged.push(`${message} ${JSON.stringify(facts)}`);
  let counter = options.first ?? 0;
  const book = new AcmeBook(
    { accountsMax: options.accountsMax ?? 10, lifetimeMs: options.lifetimeMs ?? 3_600_000 },
    {
      now: () => rig.nowMs,
      random: (bytes) => new Uint8Array(bytes).fill(++counter),
      newId: () => `00000000-0000-4000-8000-${String(++counter).padStart(12, '0')}`,
      save: async (text) => {
        if (rig.isFull) throw new Error('ENOSPC');
        rig.saved = text;
      },
      log: { info: note, warn: note, error: note },
    },
  );
  const rig: AcmeRig = {
    book,
    saved: undefined,
    isFull: false,
    nowMs: 1_000_000_000,
    logged,
    answered: (name) => answered(book.table, name, Math.floor(rig.nowMs / 1000)),
  };
  return rig;
}

function answered(table: Int32Array, name: string, nowSeconds: number): readonly string[] | undefined {
  const wire = wireOf(name);
  const view = new DataView(new ArrayBuffer(wire.length + 4));
  for (const [i, byte] of wire.entries()) view.setUint8(i, byte);
  const count = findChallenges(table, view, wire.length, hashName(view, 0, wire.length), nowSeconds);
  if (count < 0) return undefined;
  return Array.from({ length: count }, (_, i) => {
    const words = [...foundChallenges.slice(11 * i, 11 * i + 11)];
    return String.fromCharCode(
      ...words.flatMap((word) => [24, 16, 8, 0].map((shift) => (word >>> shift) & 0xff)),
    ).slice(1);
  });
}

/** A value as clients send it: 43 characters. */
export function txtOf(letter: string): string {
  return letter.repeat(43);
}
