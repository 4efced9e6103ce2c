import { coalesceKey } from '../../core/http/coalesce.js';
import type { Head } from '../../core/http/head.js';
import type { RequestFacts } from '../../core/http/hygiene.js';
import type { HttpRoute } from './context.js';
import type { Flight, Flights, Follower } from './flights.js';

/** A request that waits for the response to another one for the same; its head is still in the client's window. */
export interface WaitingRequest {
  readonly facts: RequestFacts;
  readonly headLength: number;
  readonly route: HttpRoute;
}

/** Whose request waits. */
export interface WaitingClient {
  /** It is answered by the first `length` bytes, which another one asked for; valid during the call. */
  answerShared(request: WaitingRequest, bytes: Uint8Array, length: number, status: number): void;
  /** It fails as the other one did; `retryAfter`: seconds. */
  failShared(request: WaitingRequest, status: number, text: string, retryAfter?: number): void;
  /** It waits no longer, and is to be read once more. */
  readAgain(): void;
}

/** The part of one connection in requests that wait for one another: its own is followed by others, or follows one. */
export class Coalescing implements Follower {
  readonly #client: WaitingClient;
  /** Of its request, while others may follow it. */
  #leading: Flight | null = null;
  #following: Flight | null = null;
  #request: WaitingRequest | null = null;
  /** A request that followed another one and is read once more, to go by itself, or with those who are left. */
  #again: 'no' | 'alone' | 'together' = 'no';
  /** The one that it followed went away. */
  #left = false;

  constructor(client: WaitingClient) {
    this.#client = client;
  }

  /** The request at hand followed another one before: what is asked once of a request was asked. */
  get isSecondReading(): boolean {
    return this.#again !== 'no';
  }

  /** True if the same is on its way already, and this request waits for it; else others may follow this one. */
  follows(flights: Flights, head: Head, request: WaitingRequest): boolean {
    const { facts, route } = request;
    const same = this.#again === 'alone' ? null : coalesceKey(head, facts);
    this.#again = 'no';
    if (same === null) return false;
    // A route may lead to several pools.
    const key = `${route.pool.name} ${same}`;
    const flight = flights.find(key);
    if (flight === null) {
      this.#leading = flights.begin(key);
      return false;
    }
    if (!flight.join(this)) return false;
    this.#following = flight;
    this.#request = request;
    return true;
  }

  /** Hands those who follow what the client is sent; false if nobody takes it. */
  share(bytes: Uint8Array, start: number, end: number): boolean {
    // What is shared waits in memory for a client that reads slowly: it is not much, and others wait for it.
    if (this.#leading?.take(bytes, start, end) === true) return true;
    this.#leading = null;
    return false;
  }

  /** The request has its response. */
  done(): void {
    this.#land()?.done();
    this.#again = 'no';
    this.#left = false;
  }

  /** The proxy answers by itself, or the response broke off. */
  failed(status: number, text: string, retryAfter?: number): void {
    this.#land()?.failed(status, text, retryAfter);
  }

  /** It waited long enough, and asks for itself. */
  waitedTooLong(): void {
    this.#following?.leave(this);
    this.onReleased(false);
  }

  /** The client is gone. */
  closed(): void {
    this.#land()?.left();
    this.#following?.leave(this);
  }

  onShared(bytes: Uint8Array, length: number, status: number): void {
    this.#client.answerShared(this.#waited(), bytes, length, status);
  }

  onSharedFailure(status: number, text: string, retryAfter?: number): void {
    this.#client.failShared(this.#waited(), status, text, retryAfter);
  }

  onReleased(together: boolean): void {
    this.#waited();
    // Whoever was left twice waits for nobody else: clients that come and go must not hold up others for ever.
    this.#again = together && !this.#left ? 'together' : 'alone';
    this.#left = together;
    this.#client.readAgain();
  }

  #land(): Flight | null {
    const flight = this.#leading;
    this.#leading = null;
    return flight;
  }

  /** The request, which waits no longer. */
  #waited(): WaitingRequest {
    const request = this.#request!;
    this.#request = null;
    this.#following = null;
    return request;
  }
}
