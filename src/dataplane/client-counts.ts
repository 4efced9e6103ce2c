/** Who shares a limit: one IPv4 address; of IPv6 the /56 that one household or machine commonly has (RFC 6177). */
export function clientOf(source: Uint8Array, family: 4 | 6): string {
  return String.fromCharCode(...source.subarray(0, family === 4 ? 4 : 7));
}

/** How many connections each client has. It holds clients with a connection only, so it is as limited as they are. */
export class ClientCounts {
  readonly #counts = new Map<string, number>();

  count(client: string): number {
    return this.#counts.get(client) ?? 0;
  }

  add(client: string): void {
    this.#counts.set(client, this.count(client) + 1);
  }

  remove(client: string): void {
    const left = this.count(client) - 1;
    if (left > 0) this.#counts.set(client, left);
    else this.#counts.delete(client);
  }

  get size(): number {
    return this.#counts.size;
  }
}
