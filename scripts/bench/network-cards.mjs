// Virtual network cards (veth) in a network namespace of their own: servers there are reached through a card, as over a
// wire, and not by loopback. Linux, and root.
import { spawnSync } from 'node:child_process';

/** Name and address of a card in the namespace. */
export function cardOf(i) {
  return { card: `card${i}`, host: `10.99.${i}.2` };
}

/** Makes so many cards, each with so many queues; their other ends, 10.99.N.1, are here. */
export function makeCards(count, queues = 1) {
  const namespace = `meridian-bench-${process.pid}`;
  const ip = (line) => {
    const done = spawnSync('ip', line.split(' '), { encoding: 'utf8' });
    if (done.status !== 0) throw new Error(`ip ${line}: ${done.stderr}`);
  };
  ip(`netns add ${namespace}`);
  ip(`-n ${namespace} link set lo up`);
  const both = `numtxqueues ${queues} numrxqueues ${queues}`;
  for (let i = 0; i < count; i++) {
    const here = `mb${i}-${process.pid}`;
    const { card, host } = cardOf(i);
    ip(`link add ${here} ${both} type veth peer name ${card} ${both} netns ${namespace}`);
    ip(`addr add 10.99.${i}.1/24 dev ${here}`);
    ip(`link set ${here} up`);
    ip(`-n ${namespace} addr add ${host}/24 dev ${card}`);
    ip(`-n ${namespace} link set ${card} up`);
  }
  return { namespace, close: () => spawnSync('ip', ['netns', 'del', namespace]) };
}
