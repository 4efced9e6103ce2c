import { F_DUPFD_CLOEXEC, loadLinux } from './linux.js';

/** Another descriptor of the same file, for a thread that may outlive the owner of `fd`. Throws where there is none left. */
export function copyDescriptor(fd: number): number {
  const linux = loadLinux();
  if ('unavailable' in linux) throw new Error(linux.unavailable);
  const copy = linux.fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) throw new Error(`a descriptor can't be copied: error ${linux.errno()}`);
  return copy;
}
