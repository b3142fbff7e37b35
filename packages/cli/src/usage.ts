import type { Command } from "commander";

/** Examples of commands, by path. Commands with their own texts after the options have theirs there. */
const examples: Readonly<Record<string, readonly string[]>> = {
  tensorgate: [
    "tensorgate demo",
    "tensorgate init && tensorgate serve",
    "tensorgate score photos/ --model shapes",
  ],
  "tensorgate demo": ["tensorgate demo --port 0", "tensorgate demo --models ./models"],
  "tensorgate serve": ["tensorgate serve", "tensorgate serve --config gateway.yaml --port 8080"],
  "tensorgate init": [
    "tensorgate init",
    "tensorgate init --address 10.0.0.4:8500 --model resnet50 --family resnet-50",
  ],
  "tensorgate model-server": ["tensorgate model-server --models ./models --port 8500"],
  "tensorgate attach": [
    "tensorgate attach 10.0.0.4:8500 -o tensorgate.yaml",
    "tensorgate attach 10.0.0.4:8500 --model resnet50 --serve",
  ],
  "tensorgate score": [
    "tensorgate score photos/ https://example.com/cat.jpg --model shapes",
    "tensorgate score photos/ --model shapes --csv -o labels.csv",
    "curl -s https://example.com/cat.jpg | tensorgate score - --model shapes",
  ],
  "tensorgate doctor": [
    "tensorgate doctor --url https://tensorgate.example --origin https://app.example",
  ],
  "tensorgate status": ["tensorgate status", "tensorgate status --once --json"],
  "tensorgate models list": ["tensorgate models list --json"],
  "tensorgate models get": [
    "tensorgate models get efficientnet-lite0 --models ./models",
    "tensorgate demo --models ./models",
  ],
  "tensorgate models add": [
    "tensorgate models add resnet50 --weights resnet50.onnx --family resnet-50 --labels imagenet",
  ],
  "tensorgate types": ["tensorgate types > src/catalog.ts"],
  "tensorgate config check": ["tensorgate config check tensorgate.yaml"],
  "tensorgate config schema": ["tensorgate config schema > tensorgate.schema.json"],
  "tensorgate key new": ["tensorgate key new --id app --models shapes,resnet50"],
  "tensorgate completion": [
    'eval "$(tensorgate completion bash)"',
    "tensorgate completion fish > ~/.config/fish/completions/tensorgate.fish",
  ],
};

/** Gives each command examples, and after an error the way to its own help. */
export function describeUsage(command: Command, path: string = command.name()): void {
  command.showHelpAfterError(`(run ${path} --help for usage)`);
  const lines = examples[path] ?? [];
  if (lines.length > 0) {
    const title = lines.length === 1 ? "Example" : "Examples";
    command.addHelpText("after", `\n${title}:\n${lines.map((line) => `  ${line}`).join("\n")}`);
  }
  requireLast(command);
  for (const each of command.commands) describeUsage(each, `${path} ${each.name()}`);
}

/** Reports an unknown option before a missing one, which may be the same option, misspelt. */
function requireLast(command: Command): void {
  const required = command.options.filter(({ mandatory }) => mandatory);
  for (const option of required) option.makeOptionMandatory(false);
  command.hook("preAction", (_command, running) => {
    // The hook also runs for commands below this one.
    if (running !== command) return;
    for (const option of required) {
      if (command.getOptionValue(option.attributeName()) !== undefined) continue;
      command.error(`error: required option '${option.flags}' not specified`);
    }
  });
}
