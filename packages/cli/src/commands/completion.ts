import type { Command } from "commander";

export const shells = ["bash", "zsh", "fish"] as const;

export type Shell = (typeof shells)[number];

/** Prints the script by which a shell completes commands and options. */
export function printCompletion(shell: Shell, root: Command): void {
  process.stdout.write(completionScript(shell, root));
}

/** A command, with what may follow it. */
interface CompletedCommand {
  /** The words before: empty for `tensorgate` itself. */
  readonly path: readonly string[];
  readonly commands: readonly { readonly name: string; readonly about: string }[];
  readonly options: readonly { readonly flag: string; readonly about: string }[];
}

export function completionScript(shell: Shell, root: Command): string {
  const commands = completedCommands(root, []);
  if (shell === "fish") return fishScript(root.name(), commands);
  const script = bashScript(root.name(), commands);
  return shell === "bash" ? script : `autoload -U +X bashcompinit && bashcompinit\n${script}`;
}

function completedCommands(command: Command, path: readonly string[]): readonly CompletedCommand[] {
  const help = command.createHelp();
  const own = {
    path,
    commands: help
      .visibleCommands(command)
      .map((each) => ({ name: each.name(), about: each.description() })),
    options: help
      .visibleOptions(command)
      .flatMap(({ long, description }) =>
        typeof long === "string" ? [{ flag: long, about: description }] : [],
      ),
  };
  return [
    own,
    ...command.commands.flatMap((each) => completedCommands(each, [...path, each.name()])),
  ];
}

/** Files are completed where nothing else is. */
function bashScript(name: string, commands: readonly CompletedCommand[]): string {
  const words = (each: CompletedCommand) =>
    [...each.commands.map((command) => command.name), ...each.options.map(({ flag }) => flag)].join(
      " ",
    );
  const paths = commands
    .filter(({ path }) => path.length > 0)
    .map(({ path }) => `"${path.join(" ")}"`);
  const cases = commands.map((each) => `    "${each.path.join(" ")}") words="${words(each)}" ;;`);
  return `_${name}() {
  local path="" words="" word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "\${path:+$path }$word" in
      ${paths.join("|")}) path="\${path:+$path }$word" ;;
    esac
  done
  case "$path" in
${cases.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _${name} ${name}
`;
}

function fishScript(name: string, commands: readonly CompletedCommand[]): string {
  const lines = commands.flatMap(({ path, commands: inner, options }) => {
    const names = inner.map((each) => each.name);
    const seen = path.map((word) => `__fish_seen_subcommand_from ${word}`);
    const open = names.length > 0 ? [`not __fish_seen_subcommand_from ${names.join(" ")}`] : [];
    const when = (conditions: readonly string[]) =>
      conditions.length > 0 ? ` -n '${conditions.join("; and ")}'` : "";
    return [
      ...inner.map(
        (each) =>
          `complete -c ${name} -f${when([...seen, ...open])} -a ${each.name} -d '${quoted(each.about)}'`,
      ),
      ...options.map(
        ({ flag, about }) =>
          `complete -c ${name}${when([...seen, ...open])} -l ${flag.slice(2)} -d '${quoted(about)}'`,
      ),
    ];
  });
  return `${lines.join("\n")}\n`;
}

const quoted = (text: string): string => text.replaceAll("'", "\\'");
