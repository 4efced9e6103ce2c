/** Exit codes of every command; docs/cli.md lists them. */
export const EXIT = {
  OK: 0,
  /** The command ran and the answer is no: mistakes in a file, a name that is not found, a failed start. */
  FAILED: 1,
  /** The command line itself is wrong. */
  USAGE: 2,
  /** The server can't be reached or refuses. */
  UNREACHABLE: 3,
} as const;

/** Ends the command with a message on stderr and an exit code. */
export class CommandError extends Error {
  readonly exitCode: number;
  /** The status of the answer, where a server refused. */
  readonly status: number | undefined;

  constructor(message: string, exitCode: number = EXIT.FAILED, status?: number) {
    super(message);
    this.name = 'CommandError';
    this.exitCode = exitCode;
    this.status = status;
  }
}
