import { formatAddress, type ListenerModel } from './model.js';

/** How a listener is called in counters, logs and reloads: `127.0.0.1:8080`, or `127.0.0.1:53/udp`. No two have the same. */
export function listenerName({ protocol, listen }: ListenerModel): string {
  return protocol === 'udp' ? `${formatAddress(listen)}/udp` : formatAddress(listen);
}
