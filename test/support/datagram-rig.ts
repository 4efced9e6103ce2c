import { loadLinux } from '../../src/io/batched/linux.js';
import { Loop } from '../../src/io/batched/loop.js';
import { BatchedDatagramNetwork } from '../../src/io/batched/udp-flows.js';
import type { DatagramNetwork } from '../../src/io/datagram-network.js';
import { createDescriptorSet } from '../../src/io/descriptor-set.js';
import { PortableDatagramNetwork } from '../../src/io/portable/udp-flows.js';

const linux = loadLinux();

/** A datagram network that runs beside the test, in the test's own thread. */
export function startDatagrams(name: 'batched' | 'portable'): { network: DatagramNetwork; close(): void } {
  const clock = (): number => performance.now();
  if (name === 'portable') {
    const network = new PortableDatagramNetwork({ clock });
    return { network, close: () => network.close() };
  }
  if ('unavailable' in linux) throw new Error(linux.unavailable);
  const loop = new Loop(linux, clock);
  const network = new BatchedDatagramNetwork({ loop, open: createDescriptorSet() });
  let open = true;
  const turn = (): void => {
    if (!open) return;
    loop.turn(0);
    setImmediate(turn);
  };
  setImmediate(turn);
  const close = (): void => {
    if (!open) return;
    open = false;
    network.close();
    loop.close();
  };
  return { network, close };
}
