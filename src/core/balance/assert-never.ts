/** Ends a switch over a union: the compiler refuses a call that a case could reach. */
export function assertNever(value: never): never {
  throw new Error(`unhandled case: ${JSON.stringify(value)}`);
}
