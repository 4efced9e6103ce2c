import { draw, type Query } from '../answer/query.js';
import { ANSWERS_MAX, ENDPOINT, PICK } from '../answer/snapshot.js';
import { hashOfClient, mix } from './client.js';
import { weightNow } from './part.js';
import { TAKE, usable } from './pool.js';

/**
 * Chooses up to `answers` different endpoints among `first..end` and writes them to `chosen`; returns how many. `pick`
 * is a pool's field. Shuffled, unless the pool asks for its order: resolvers reorder anyway, so that only the choice
 * of the set carries weights.
 */
export function pickMany(
  query: Query,
  pick: number,
  first: number,
  end: number,
  take: number,
  answers: number,
  chosen: Int32Array,
): number {
  switch (pick & PICK.KIND) {
    case PICK.FIRST:
      return takeFirst(query, first, end, take, answers, chosen);
    case PICK.HASH:
      return rank(query, BY_HASH, first, end, take, answers, chosen);
    default: {
      const whole = (pick & PICK.KIND) === PICK.ALL && end - first <= answers;
      const count = whole
        ? takeFirst(query, first, end, take, answers, chosen)
        : rank(query, pick & PICK.KIND, first, end, take, answers, chosen);
      if ((pick & PICK.SHUFFLED) !== 0) shuffle(query, chosen, count);
      else restoreOrder(chosen, count);
      return count;
    }
  }
}

const BY_HASH = PICK.HASH;

function takeFirst(
  query: Query,
  first: number,
  end: number,
  take: number,
  answers: number,
  chosen: Int32Array,
): number {
  let count = 0;
  for (let endpoint = first; endpoint < end && count < answers; endpoint++) {
    if (usable(query, endpoint, take)) chosen[count++] = endpoint;
  }
  return count;
}

/** The scores of what is in `chosen`, falling. */
const scores: Float64Array = new Float64Array(ANSWERS_MAX);

/**
 * The endpoints with the highest scores. A score of weight / −ln(u) with a uniform u makes a weighted sample without
 * replacement (Efraimidis & Spirakis 2006, A-ES), and rendezvous hashing where u is a hash of client and endpoint
 * (Schindelhauer 2005): the same formula with another source of u.
 */
function rank(
  query: Query,
  kind: number,
  first: number,
  end: number,
  take: number,
  answers: number,
  chosen: Int32Array,
): number {
  const client = kind === BY_HASH ? hashOfClient(query) : 0;
  let count = 0;
  for (let endpoint = first; endpoint < end; endpoint++) {
    if (!usable(query, endpoint, take)) continue;
    const score =
      kind === BY_HASH ? hashScore(query, client, endpoint, take) : drawnScore(query, kind, endpoint, take);
    if (count === answers && score <= scores[count - 1]!) continue;
    let place = count < answers ? count++ : count - 1;
    for (; place > 0 && scores[place - 1]! < score; place--) {
      scores[place] = scores[place - 1]!;
      chosen[place] = chosen[place - 1]!;
    }
    scores[place] = score;
    chosen[place] = endpoint;
  }
  // Endpoints of weight 0 stand in for others, they don't stand beside them.
  while (count > 1 && scores[0]! >= SPARE_SCORE && scores[count - 1]! < SPARE_SCORE) count--;
  return count;
}

/** Scores of endpoints of weight 0 are far below all others: −ln(u) is less than 23. */
const SPARE_SCORE = 1e-6;
const SPARE_WEIGHT = 1e-20;

/** The score of an endpoint for a client's hash. */
export function hashScore(query: Query, client: number, endpoint: number, take: number): number {
  const identity = query.snapshot.endpoints[endpoint * ENDPOINT.STRIDE + ENDPOINT.IDENTITY]!;
  const weight = weightOf(query, endpoint, take);
  return (weight === 0 ? 1 : weight) / -Math.log(unit(mix(client ^ identity)));
}

function drawnScore(query: Query, kind: number, endpoint: number, take: number): number {
  const weight = kind === PICK.ALL ? 1 : weightOf(query, endpoint, take);
  // Neighbours in a xorshift sequence are alike in their bits; the finalizer undoes that.
  return (weight === 0 ? SPARE_WEIGHT : weight) / -Math.log(unit(mix(draw(query))));
}

function weightOf(query: Query, endpoint: number, take: number): number {
  if (take === TAKE.PART) return weightNow(query, endpoint);
  return query.snapshot.endpoints[endpoint * ENDPOINT.STRIDE + ENDPOINT.WEIGHT]!;
}

/** 0 < u < 1. */
function unit(bits: number): number {
  return (bits + 0.5) / 0x1_0000_0000;
}

/** Fisher and Yates. */
function shuffle(query: Query, chosen: Int32Array, count: number): void {
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor((draw(query) / 0x1_0000_0000) * (i + 1));
    const held = chosen[i]!;
    chosen[i] = chosen[j]!;
    chosen[j] = held;
  }
}

/** Insertion sort: at most eight. */
function restoreOrder(chosen: Int32Array, count: number): void {
  for (let i = 1; i < count; i++) {
    const endpoint = chosen[i]!;
    let place = i;
    for (; place > 0 && chosen[place - 1]! > endpoint; place--) chosen[place] = chosen[place - 1]!;
    chosen[place] = endpoint;
  }
}
