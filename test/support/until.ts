/** Asks again and again until the answer is truthy, and returns it; throws with `what` and the last error if late. */
export async function until<T>(
  what: string,
  ask: () => T | Promise<T>,
  withinMs = 20_000,
): Promise<Truthy<T>> {
  const deadline = performance.now() + withinMs;
  let last: unknown;
  do {
    try {
      const answer = await ask();
      if (answer) return answer as Truthy<T>;
      last = answer;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  } while (performance.now() < deadline);
  throw new Error(`not within ${withinMs} ms: ${what} (last: ${String(last)})`);
}

type Truthy<T> = Exclude<T, false | 0 | '' | null | undefined>;

const POLL_MS = 20;
