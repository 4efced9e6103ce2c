import type { ListenerTotals } from '../cell-book.js';
import { COMPRESSION_CELL, LISTENER_CELL } from '../cells.js';

type Rows = readonly (readonly [labels: Readonly<Record<string, string>>, value: number])[];

/** Responses of a listener by what compression made of them; listeners without have no rows. */
export function compressionRows({ listener, cells }: ListenerTotals): Rows {
  return rowsOf(cells, OUTCOMES, (outcome) => ({ listener, outcome }));
}

/** Bytes of the bodies that were compressed, before and after. */
export function compressionByteRows({ listener, cells }: ListenerTotals): Rows {
  const directions = { in: COMPRESSION_CELL.bytes_in, out: COMPRESSION_CELL.bytes_out };
  return rowsOf(cells, directions, (direction) => ({ listener, direction }));
}

const { bytes_in: _in, bytes_out: _out, ...OUTCOMES } = COMPRESSION_CELL;

function rowsOf(
  cells: Float64Array,
  names: Readonly<Record<string, number>>,
  labels: (name: string) => Readonly<Record<string, string>>,
): Rows {
  return Object.entries(names).flatMap(([name, cell]) => {
    const count = cells[LISTENER_CELL.COMPRESSION + cell]!;
    return count > 0 ? [[labels(name), count] as const] : [];
  });
}
