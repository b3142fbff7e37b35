import type { program } from "../../packages/cli/src/run.ts";

type Command = Pick<
  ReturnType<typeof program>,
  "commands" | "description" | "helpInformation" | "name"
>;

/** Writes what `--help` says of each command as one page in Markdown. */
export function commandPage(root: Command): string {
  const commands = leavesOf(root, [root.name()]);
  const list = commands.map(
    ({ name, command }) => `| [\`${name}\`](#${anchor(name)}) | ${command.description()} |`,
  );
  const texts = commands.map(
    ({ name, command }) => `## ${name}\n\n\`\`\`\n${command.helpInformation().trim()}\n\`\`\`\n`,
  );
  return [
    "# Command\n\n`tensorgate COMMAND --help` prints the same.\n\n| command | what it does |\n|---|---|",
    ...list,
    "\nExit codes: 0, 1 for a failure, 2 for an invalid command line, 130 for a command that Ctrl-C stopped.\n",
    ...texts,
  ].join("\n");
}

interface NamedCommand {
  readonly name: string;
  readonly command: Command;
}

/** Commands that do something: those without subcommands, by their whole name. */
function leavesOf(command: Command, path: readonly string[]): readonly NamedCommand[] {
  if (command.commands.length === 0) return [{ name: path.join(" "), command }];
  return command.commands.flatMap((each) => leavesOf(each, [...path, each.name()]));
}

const anchor = (name: string) => name.toLowerCase().replaceAll(" ", "-");
