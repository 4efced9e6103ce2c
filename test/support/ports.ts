import { claimAddress } from '../../src/io/free-port.js';
import { ListenError } from '../../src/io/tier.js';

/**
 * Below the ports that the system gives out, and a part of them for each of the test files that run at the same time: a
 * port that is free now would else be given to two, and listeners with SO_REUSEPORT would share it without an error.
 */
const FIRST = 10_000;
const PARTS = 8;
const PART = 2_800;
const first = FIRST + (Number(process.env['VITEST_POOL_ID'] ?? 0) % PARTS) * PART;
let next = Math.floor(Math.random() * PART);

/** Ports that are free over UDP and TCP on 127.0.0.1 and ::1, all different, and none of them given out before for long. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const ports: number[] = [];
  for (let tried = 0; ports.length < count; tried++) {
    if (tried > PART) throw new Error(`no ${count} free ports from ${first} on`);
    const port = first + (next++ % PART);
    if ((await isFree({ host: '127.0.0.1', port })) && (await isFree({ host: '::1', port })))
      ports.push(port);
  }
  return ports;
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
