import fc from 'fast-check';

/**
 * One seed for every property test, so that a run can be repeated: the gate must not fail by luck. Another one is
 * tried with MERIDIAN_TEST_SEED=<integer>, or MERIDIAN_TEST_SEED=random.
 */
const wanted = process.env.MERIDIAN_TEST_SEED ?? '20261121';
if (wanted !== 'random') fc.configureGlobal({ seed: Number(wanted) });
