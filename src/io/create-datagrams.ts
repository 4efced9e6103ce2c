import { BatchedNetwork } from './batched/network.js';
import { BatchedDatagramNetwork } from './batched/udp-flows.js';
import type { DatagramNetwork } from './datagram-network.js';
import type { Network } from './network.js';
import { PortableDatagramNetwork } from './portable/udp-flows.js';

const known = new WeakMap<Network, DatagramNetwork>();

/** UDP beside a network's TCP, on the same loop: one for each network. */
export function datagramsOf(network: Network): DatagramNetwork {
  const made = known.get(network) ?? create(network);
  known.set(network, made);
  return made;
}

function create(network: Network): DatagramNetwork {
  if (network instanceof BatchedNetwork) {
    return new BatchedDatagramNetwork({ loop: network.loop, open: network.connections });
  }
  return new PortableDatagramNetwork({ clock: () => network.nowMs });
}
