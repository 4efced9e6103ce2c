import { isIP } from 'node:net';
import type { Command } from 'commander';
import dns2, { Packet } from 'dns2';
import { rcodeName, typeName } from '../core/dns/iana.js';
import { formatIPv4, parsePrefix } from '../core/dns/rdata/address.js';
import { CommandError, EXIT } from './exit.js';
import { printable } from './printable.js';

interface QueryOptions {
  readonly server: string;
  readonly port: string;
  readonly subnet?: string;
  readonly tcp?: boolean;
  readonly json?: boolean;
}

/** `meridian query`: a small dig on the client of dns2, for machines without dig. */
export function addQuery(program: Command): void {
  program
    .command('query')
    .description('ask a DNS server (a small dig)')
    .argument('<name>', 'name to ask for')
    .argument('[type]', `record type: ${Object.keys(Packet.TYPE).join(', ')}`, 'A')
    .option('--server <address>', 'IP address of the server', '127.0.0.1')
    .option('-p, --port <port>', 'its port', '5300')
    .option('-s, --subnet <prefix>', 'IPv4 client prefix to send (ECS); for IPv6 use dig +subnet')
    .option('--tcp', 'ask over TCP')
    .option('--json', 'print JSON')
    .action(async (name: string, type: string, options: QueryOptions) => {
      const { server: dns, tcp } = options;
      const port = Number(options.port);
      const upper = type.toUpperCase();
      if (isIP(dns) === 0) throw new CommandError(`--server: ${dns} is not an IP address`, EXIT.USAGE);
      if (!(port > 0 && port < 65_536)) throw new CommandError(`--port: want 1 to 65535`, EXIT.USAGE);
      if (!(upper in Packet.TYPE)) throw new CommandError(`type ${type} is not known; use dig`, EXIT.USAGE);
      const subnet = options.subnet === undefined ? {} : { clientIp: maskSubnet(options.subnet) };
      const socketType = isIP(dns) === 6 ? 'udp6' : 'udp4';
      const ask = tcp
        ? dns2.TCPClient({ dns, port })
        : dns2.UDPClient({ dns, port, socketType, timeout: 5000 });
      try {
        const answer = await ask(name, upper, undefined, { recursive: false, ...subnet });
        process.stdout.write(
          options.json ? `${JSON.stringify(answer, null, 2)}\n` : `${printable(format(answer))}\n`,
        );
        if (answer.header.rcode !== 0) process.exitCode = EXIT.FAILED;
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        throw new CommandError(`no answer from ${dns} port ${port}: ${reason}`, EXIT.UNREACHABLE);
      }
    });
}

/** dns2 sends the bits behind the prefix as they are, and a strict server refuses them (RFC 7871 §6). */
function maskSubnet(text: string): string {
  const [address = '', length = '24'] = text.split('/');
  const prefix = isIP(address) === 4 ? parsePrefix(`${address}/${length}`) : undefined;
  if (!prefix || !('bytes' in prefix)) {
    throw new CommandError(
      `--subnet: want an IPv4 prefix such as 192.0.2.0/24; for IPv6 use dig +subnet`,
      EXIT.USAGE,
    );
  }
  return `${formatIPv4(prefix.bytes)}/${prefix.length}`;
}

function format({ header, answers, authorities, additionals }: InstanceType<typeof Packet>): string {
  const flags = [header.aa ? 'aa' : '', header.tc ? 'tc' : ''].filter(Boolean).join(' ');
  const lines = [`; ${rcodeName(header.rcode)}${flags && `, flags ${flags}`}`];
  for (const record of [...answers, ...authorities]) {
    const { name, type, ttl, class: _class, ...data } = record;
    lines.push(`${name}. ${ttl} ${typeName(Number(type))} ${dataText(data)}`);
  }
  for (const option of additionals.flatMap(
    (record) => (record as { rdata?: readonly unknown[] }).rdata ?? [],
  )) {
    const { scopePrefixLength: scope } = option as { scopePrefixLength?: number };
    if (scope !== undefined) lines.push(`; scope /${scope}`);
  }
  return lines.join('\n');
}

function dataText(data: object): string {
  return Object.values(data)
    .filter((value) => typeof value !== 'object')
    .join(' ');
}
