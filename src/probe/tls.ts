import type { TLSSocket } from 'node:tls';
import type { ProbeNetworks } from '../core/probe/limits.js';
import type { TlsCheck } from '../core/zone/check.js';
import { type AttemptOptions, attempt, type ProbeResult } from './attempt.js';
import { dialTls, type Trust } from './tls-socket.js';

const DAY_MS = 86_400_000;

/**
 * Up when the handshake ends well, with a certificate for the monitor's host that is valid for at least `minDays`
 * more. `verify: false` takes any certificate, but still counts its days.
 */
export function probeTls(
  host: string,
  check: TlsCheck,
  options: AttemptOptions,
  modules: { readonly networks: ProbeNetworks; readonly trust: Trust; readonly now: () => number },
): Promise<ProbeResult> {
  return attempt(options, ({ settle, fail }) => {
    const settings = { name: check.host, verify: check.verify };
    const socket = dialTls({ ...check, host }, settings, modules.networks, modules.trust);
    socket.once('secureConnect', () => {
      const days = daysLeft(socket, modules.now());
      if (days === undefined) settle(false, 'the certificate has no end');
      else if (days >= check.minDays) settle(true, `certificate valid for ${days} days`);
      else settle(false, `certificate valid for ${days} days, want ${check.minDays}`);
    });
    socket.on('error', (error) => fail(error));
    socket.on('close', () => settle(false, 'connection closed in the handshake'));
    return () => socket.destroy();
  });
}

/** Whole days, below zero after the end. */
function daysLeft(socket: TLSSocket, nowMs: number): number | undefined {
  const endMs = Date.parse(socket.getPeerCertificate().valid_to ?? '');
  return Number.isNaN(endMs) ? undefined : Math.floor((endMs - nowMs) / DAY_MS);
}
