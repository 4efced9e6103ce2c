import type { ProbeNetworks } from '../core/probe/limits.js';
import type { UdpCheck } from '../core/zone/check.js';
import type { AttemptOptions, ProbeResult } from './attempt.js';
import { askDatagram } from './datagram.js';

/** Up when a reply comes that has the wanted bytes in it, or any reply where none are wanted. */
export function probeUdp(
  host: string,
  check: UdpCheck,
  options: AttemptOptions,
  networks: ProbeNetworks,
): Promise<ProbeResult> {
  const wanted = check.expect === undefined ? undefined : Buffer.from(check.expect, 'hex');
  const target = { ...check, host };
  return askDatagram(target, Buffer.from(check.send, 'hex'), options, networks, (reply, { settle }) => {
    const ok = !wanted || reply.includes(wanted);
    settle(ok, ok ? `reply of ${reply.length} bytes` : `reply of ${reply.length} bytes without those wanted`);
  });
}
