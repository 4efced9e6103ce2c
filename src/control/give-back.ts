import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Makes a heap that was large small again, which V8 puts off for as long as a thread has nothing to do. */
export function giveBack(): void {
  setFlagsFromString('--expose-gc');
  // Without options: Node.js 20 takes any that it does not know for a wish to collect young objects only.
  (runInNewContext('gc') as () => void)();
}
