import { type Static, Type } from 'typebox';
import { CHALLENGE_LENGTH, CHALLENGE_VALUES_MAX } from '../core/answer/challenge-table.js';

/** Networks of one account. */
export const ALLOW_FROM_MAX = 64;
export const NOTE_LENGTH_MAX = 200;

const UUID = '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$';
const Milliseconds = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const strict = { additionalProperties: false } as const;

/** One account of the ACME challenges: as it is stored, and as DNS nodes tell it each other. */
export const AcmeEntrySchema = Type.Object(
  {
    username: Type.String({ pattern: UUID, examples: ['5d6f0e7c-3a51-4d1b-9a54-0c2a6f1f6f5b'] }),
    digest: Type.String({
      pattern: '^[0-9a-f]{64}$',
      description: 'SHA-256 of the password.',
      examples: ['0'.repeat(64)],
    }),
    subdomain: Type.String({ pattern: UUID, examples: ['8e5703c2-1d6f-4a0e-b1a6-2f3c9d7e4b10'] }),
    name: Type.String({
      minLength: 2,
      maxLength: 1010,
      pattern: '^[!-~]+\\.$',
      description: 'Where its values are answered: absolute, in lower case.',
      examples: ['_acme-challenge.www.gslb.example.com.'],
    }),
    allow_from: Type.Array(Type.String({ maxLength: 64, examples: ['192.0.2.0/24'] }), {
      maxItems: ALLOW_FROM_MAX,
    }),
    note: Type.String({ maxLength: NOTE_LENGTH_MAX }),
    created: Milliseconds,
    /** Of all but the values. */
    changed: Milliseconds,
    removed: Type.Boolean({
      description: 'It was removed; it is remembered for a while, so that all nodes learn it.',
    }),
    values: Type.Array(
      Type.Object(
        {
          txt: Type.String({
            pattern: `^[A-Za-z0-9_-]{${CHALLENGE_LENGTH}}$`,
            examples: ['LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0'],
          }),
          set: Milliseconds,
          expires: Milliseconds,
        },
        strict,
      ),
      { maxItems: CHALLENGE_VALUES_MAX },
    ),
  },
  strict,
);

export type AcmeEntry = Static<typeof AcmeEntrySchema>;
export type AcmeValue = AcmeEntry['values'][number];

/** The file in the state folder. */
export const AcmeFileSchema = Type.Object({
  version: Type.Literal(1),
  accounts: Type.Array(AcmeEntrySchema),
});

/** Whether a text is the value of a challenge. */
export function isChallengeValue(text: unknown): text is string {
  return typeof text === 'string' && text.length === CHALLENGE_LENGTH && /^[A-Za-z0-9_-]+$/.test(text);
}

/** The two newest of some values that have not expired, newest first, each text once. */
export function newestValues(values: readonly AcmeValue[], nowMs: number): AcmeValue[] {
  const newest = new Map<string, AcmeValue>();
  for (const value of values) {
    const known = newest.get(value.txt);
    if (value.expires > nowMs && (!known || known.set < value.set)) newest.set(value.txt, value);
  }
  return [...newest.values()]
    .sort((a, b) => b.set - a.set || (a.txt < b.txt ? -1 : 1))
    .slice(0, CHALLENGE_VALUES_MAX);
}

/** What two nodes know of one account, put together: the same whoever does it, and in whatever order. */
export function mergeEntries(a: AcmeEntry, b: AcmeEntry, nowMs: number): AcmeEntry {
  const facts = isNewer(a, b) ? a : b;
  return { ...facts, values: facts.removed ? [] : newestValues([...a.values, ...b.values], nowMs) };
}

function isNewer(a: AcmeEntry, b: AcmeEntry): boolean {
  if (a.changed !== b.changed) return a.changed > b.changed;
  return a.removed !== b.removed ? a.removed : a.digest >= b.digest;
}
