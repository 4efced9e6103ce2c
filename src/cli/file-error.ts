import { CommandError, EXIT } from './exit.js';

const WORDS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  EACCES: 'you may not read it',
  EISDIR: 'it is a folder',
};

/** Why a file that was named could not be read: `cannot read zone.yaml: ENOENT, there is no such file or folder`. */
export function fileError(file: string, error: unknown, exitCode: number = EXIT.FAILED): CommandError {
  const { code, message } = error as NodeJS.ErrnoException;
  const words = code === undefined ? undefined : WORDS[code];
  const why = words === undefined ? (code ?? message) : `${code}, ${words}`;
  return new CommandError(`cannot read ${file}: ${why}`, exitCode);
}
