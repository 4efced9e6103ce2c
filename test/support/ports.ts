import { claimAddress } from '../../src/io/free-port.js';
import { ListenError } from '../../src/io/tier.js';

/** Ports that are free over UDP and TCP on 127.0.0.1 and ::1: asked of the system, all different. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const { port } = await claimAddress({ host: '127.0.0.1', port: 0 });
    if (await isFree({ host: '::1', port })) ports.add(port);
  }
  return [...ports];
}

async function isFree(address: { readonly host: string; readonly port: number }): Promise<boolean> {
  try {
    await claimAddress(address);
    return true;
  } catch (error) {
    if (error instanceof ListenError) return false;
    throw error;
  }
}
