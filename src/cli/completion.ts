import { Argument, type Command } from 'commander';
import { CommandError, EXIT } from './exit.js';

const SHELLS = { bash, zsh, fish } as const;

/** `meridian completion`: a script for the shell, made of the commands as they are. */
export function addCompletion(program: Command): void {
  program
    .command('completion')
    .description(
      'print a script that completes commands and options: source it in the start file of your shell',
    )
    .addArgument(new Argument('<shell>', 'which shell').choices(Object.keys(SHELLS)))
    .action((shell: string) => {
      const make = SHELLS[shell as keyof typeof SHELLS];
      if (make === undefined) throw new CommandError(`no completion for ${shell}`, EXIT.USAGE);
      process.stdout.write(make(nodesOf(program, '')));
    });
}

interface Node {
  /** `proxy drain`; empty for the program itself. */
  readonly path: string;
  readonly commands: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly { readonly flag: string; readonly description: string }[];
}

/** Every command that can be named, with what may follow it. */
function nodesOf(command: Command, path: string): readonly Node[] {
  const help = command.createHelp();
  const commands = help.visibleCommands(command).filter((child) => child.name() !== 'help');
  const node: Node = {
    path,
    commands: commands.map((child) => ({ name: child.name(), description: child.description() })),
    options: help
      .visibleOptions(command)
      .map(({ long, short, description }) => ({ flag: long ?? short ?? '', description })),
  };
  const below = commands.flatMap((child) =>
    nodesOf(child, path === '' ? child.name() : `${path} ${child.name()}`),
  );
  return [node, ...below];
}

function words({ commands, options }: Node): string {
  return [...commands.map(({ name }) => name), ...options.map(({ flag }) => flag)].join(' ');
}

function bash(nodes: readonly Node[]): string {
  return `# Completion of meridian for bash: source <(meridian completion bash)
_meridian() {
  local cur=\${COMP_WORDS[COMP_CWORD]} path='' next='' words='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    [[ \${COMP_WORDS[i]} == -* ]] && continue
    next="\${path:+$path }\${COMP_WORDS[i]}"
    case "$next" in
      ${patterns(nodes)}) path=$next ;;
    esac
  done
  case "$path" in
${cases(nodes, 'words')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _meridian meridian
`;
}

function zsh(nodes: readonly Node[]): string {
  return `#compdef meridian
# Completion of meridian for zsh: source <(meridian completion zsh)
_meridian() {
  local path_='' next='' found='' i
  for ((i = 2; i < CURRENT; i++)); do
    [[ \${words[i]} == -* ]] && continue
    next="\${path_:+$path_ }\${words[i]}"
    case "$next" in
      ${patterns(nodes)}) path_=$next ;;
    esac
  done
  case "$path_" in
${cases(nodes, 'found')}
  esac
  compadd -- \${=found}
  _files
}
compdef _meridian meridian
`;
}

function patterns(nodes: readonly Node[]): string {
  return nodes
    .filter(({ path }) => path !== '')
    .map(({ path }) => `'${path}'`)
    .join(' | ');
}

function cases(nodes: readonly Node[], variable: string): string {
  return nodes.map((node) => `    '${node.path}') ${variable}='${words(node)}' ;;`).join('\n');
}

function fish(nodes: readonly Node[]): string {
  const lines = nodes.flatMap(({ path, commands, options }) => {
    const when = `-n "__meridian_at '${path}'"`;
    return [
      ...commands.map(
        ({ name, description }) => `complete -c meridian -f ${when} -a ${name} -d ${quoted(description)}`,
      ),
      ...options
        .filter(({ flag }) => flag.startsWith('--'))
        .map(
          ({ flag, description }) =>
            `complete -c meridian ${when} -l ${flag.slice(2)} -d ${quoted(description)}`,
        ),
    ];
  });
  const known = nodes.filter(({ path }) => path !== '').map(({ path }) => `'${path}'`);
  return `# Completion of meridian for fish: meridian completion fish | source
function __meridian_at
  set -l path ''
  for word in (commandline -opc)[2..]
    string match -q -- '-*' $word; and continue
    set -l next (string trim "$path $word")
    contains -- "$next" ${known.join(' ')}; and set path $next
  end
  test "$path" = "$argv[1]"
end
${lines.join('\n')}
`;
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
