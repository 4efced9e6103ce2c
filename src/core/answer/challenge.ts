import { TYPE } from '../dns/iana.js';
import { CHALLENGE, CHALLENGE_WORDS, findChallenges, foundChallenges } from './challenge-table.js';
import { nameRead, readName } from './dname.js';
import { hashName } from './name-table.js';
import type { Query } from './query.js';
import { QUESTION_NAME, writeHead } from './write.js';

/**
 * How many ACME challenge values the name at `owner` of the answer has, or one of CHALLENGE. NONE where this server
 * keeps no such values.
 */
export function challengesAt(query: Query, owner: number): number {
  const { challenges } = query.snapshot;
  if (challenges === undefined) return CHALLENGE.NONE;
  const { nowSeconds } = query;
  if (owner === QUESTION_NAME) {
    return findChallenges(challenges, query.name, query.nameLength, query.nameHash, nowSeconds);
  }
  const length = readName(query, owner);
  return findChallenges(challenges, nameRead, length, hashName(nameRead, 0, length), nowSeconds);
}

/** Writes the `count` values found last as TXT records with TTL 0: they are gone in an hour. False: no room. */
export function writeChallenges(query: Query, count: number, owner: number): boolean {
  for (let i = 0; i < count; i++) {
    if (query.at + HEAD_BYTES + RDATA_BYTES > query.limit) return false;
    writeHead(query, owner, TYPE.TXT);
    const { at, outputView } = query;
    outputView.setInt16(at - 2, RDATA_BYTES);
    for (let word = 0; word < CHALLENGE_WORDS; word++) {
      outputView.setInt32(at + 4 * word, foundChallenges[i * CHALLENGE_WORDS + word]!);
    }
    query.at = at + RDATA_BYTES;
    query.answers++;
  }
  return true;
}

const HEAD_BYTES = 12;
const RDATA_BYTES = 4 * CHALLENGE_WORDS;

/** Sets the TTL of the records from `from` to the end of the answer to 0; their owners are pointers. */
export function zeroTtls(query: Query, from: number): void {
  const { outputView } = query;
  for (let at = from; at < query.at; at += HEAD_BYTES + outputView.getUint16(at + HEAD_BYTES - 2)) {
    outputView.setInt32(at + 6, 0);
  }
}
