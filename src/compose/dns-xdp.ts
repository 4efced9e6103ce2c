import { loadLinux } from '../io/batched/linux.js';
import type { SocketAddress } from '../io/tier.js';
import { XdpGate } from '../io/xdp/gate.js';
import { XdpGates } from '../io/xdp/gates.js';
import type { ServerConfig } from '../sources/server-config.js';
import type { Log } from './log.js';

/** Addresses of this machine may change, and wildcards of `dns.listen` stand for all of them. */
const REFRESH_MS = 5_000;

export interface XdpFacts {
  readonly interface: string;
  /** Receive queues that are read; 0 where the interface could not be taken, and its datagrams come by sockets. */
  readonly queues: number;
  /** Datagrams that were responses, or no DNS at all. */
  readonly ignored: number;
  /** Why it could not be taken. */
  readonly problem?: string;
}

export interface XdpService {
  readonly gates: XdpGates;
  /** Of each interface of the configuration. */
  readonly facts: () => readonly XdpFacts[];
  close(): void;
}

/** Takes the interfaces of `dns.xdp`. One that can't be taken is no reason not to serve: it is logged and reported. */
export function openXdp(
  config: ServerConfig['dns'],
  listen: readonly SocketAddress[],
  tier: 'batched' | 'portable',
  log: Log,
): XdpService | null {
  const { interfaces, mode } = config.xdp;
  if (interfaces.length === 0) return null;
  const refused: XdpFacts[] = [];
  const gates = interfaces.flatMap((name) => {
    try {
      return [openGate(name, { mode, datagramMax: config.udp.maxSize }, listen, tier)];
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      refused.push({ interface: name, queues: 0, ignored: 0, problem });
      log.error({ interface: name, problem }, 'no XDP here: datagrams of this interface come by sockets');
      return [];
    }
  });
  for (const { name, queues } of gates) {
    log.info({ interface: name, queues: queues.length }, 'datagrams of this interface come by XDP');
  }
  const refresh = setInterval(() => {
    for (const gate of gates) setDestinations(gate, listen, log);
  }, REFRESH_MS).unref();
  const all = new XdpGates(gates);
  return {
    gates: all,
    facts: () => [
      ...gates.map(({ name, queues, dropped }) => ({
        interface: name,
        queues: queues.length,
        ignored: dropped,
      })),
      ...refused,
    ],
    close() {
      clearInterval(refresh);
      all.close();
    },
  };
}

function openGate(
  name: string,
  options: { readonly mode: ServerConfig['dns']['xdp']['mode']; readonly datagramMax: number },
  listen: readonly SocketAddress[],
  tier: 'batched' | 'portable',
): XdpGate {
  const linux = loadLinux();
  if ('unavailable' in linux) throw new Error(linux.unavailable);
  if (tier !== 'batched') throw new Error('the portable tier (dns.io) has no XDP');
  const gate = XdpGate.open(linux, { interface: name, ...options });
  try {
    gate.setDestinations(listen);
  } catch (error) {
    gate.close();
    throw error;
  }
  return gate;
}

function setDestinations(gate: XdpGate, listen: readonly SocketAddress[], log: Log): void {
  try {
    gate.setDestinations(listen);
  } catch (error) {
    log.error({ interface: gate.name, problem: String(error) }, 'addresses could not be changed for XDP');
  }
}
