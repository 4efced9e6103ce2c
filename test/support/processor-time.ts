import { readFileSync } from 'node:fs';

/** Processor time of a process of Linux since its start, all threads, user and system, in milliseconds. */
export function processorMs(pid: number): number {
  // Behind the name, which may hold anything, in parentheses: state is the third field, utime and stime the 14th and 15th.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK;
}

/** USER_HZ is 100 wherever Linux runs Node.js. */
const MS_PER_TICK = 10;
