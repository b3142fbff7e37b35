import { CommandError, UsageError } from "../command-error.ts";
import type { EdgeUnit } from "./edge-unit.ts";
import type { PlanStep } from "./plan.ts";
import { type EndedProgram, type RunOptions, runProgram } from "./programs.ts";

/** What runs containers on a device. */
export const edgeRuntimes = ["podman", "docker"] as const;

export type EdgeRuntime = (typeof edgeRuntimes)[number];

interface RuntimeCommands {
  /** File that says what runs. */
  readonly file: string;
  readonly pull: (image: string) => string;
  readonly start: string;
  /** Succeeds if the server runs. */
  readonly check: string;
  readonly log: string;
  readonly stop: string;
}

const quadletFolder = "/etc/containers/systemd";
const unit = "tensorgate-model.service";
const composeFile = "/opt/tensorgate-model/compose.yaml";
const dockerCompose = `docker compose --file ${composeFile}`;

/** Commands of each runtime. What varies in them is the image, whose form is checked. */
const commandsOf: Readonly<Record<EdgeRuntime, RuntimeCommands>> = {
  podman: {
    file: `${quadletFolder}/tensorgate-model.container`,
    pull: (image) => `podman pull --quiet ${image}`,
    start: `systemctl daemon-reload && systemctl restart ${unit}`,
    check: `systemctl is-active --quiet ${unit}`,
    log: `journalctl --unit ${unit} --lines 10 --no-pager`,
    stop: `systemctl stop ${unit}`,
  },
  docker: {
    file: composeFile,
    pull: (image) => `docker pull --quiet ${image}`,
    start: `${dockerCompose} up --detach --remove-orphans`,
    check: `${dockerCompose} ps --status running --quiet | grep -q .`,
    log: `${dockerCompose} logs --tail 10`,
    stop: `${dockerCompose} down`,
  },
};

export interface EdgeHostOptions {
  readonly runtime: EdgeRuntime;
  /** Runs the commands by sudo, which must not ask for a password. */
  readonly sudo?: boolean;
}

/** A device that is reached by the user's own ssh, with its keys, configuration and agent. */
export interface EdgeHost {
  readonly name: string;
  /** Reads the file that says what runs; undefined if there is none. */
  installed(): Promise<string | undefined>;
  /** Steps that make the device run what the file says. */
  install(file: string, unit: Pick<EdgeUnit, "reference" | "which">): readonly PlanStep[];
  /** Steps after which nothing runs and the file is gone. */
  remove(): readonly PlanStep[];
  /** @throws CommandError with the last lines of its log if the server does not run */
  assertRunning(): Promise<void>;
}

/** @param host - as ssh takes it, such as `root@device.local`, or a name of its configuration */
export function createEdgeHost(
  host: string,
  { runtime, sudo: isSudo = false }: EdgeHostOptions,
): EdgeHost {
  if (!/^[\w@][\w@.:-]{0,254}$/.test(host)) {
    throw new UsageError(`invalid host "${host}"; expected one such as root@device.local`);
  }
  const { file, pull, start, check, log, stop } = commandsOf[runtime];
  const flags = `--runtime ${runtime}${isSudo ? " --sudo" : ""}`;
  const folder = file.slice(0, file.lastIndexOf("/"));

  /** The other side hands the command to a shell. */
  async function remote(command: string, options: RunOptions = {}): Promise<EndedProgram> {
    const text = isSudo ? `sudo --non-interactive sh -c '${command}'` : command;
    const accepted = [...(options.accepted ?? [0]), 255];
    const ended = await runProgram("ssh", ["--", host, text], { ...options, accepted });
    if (ended.code !== 255) return ended;
    throw new CommandError(`cannot reach ${host}: ${ended.stderr.trim() || "ssh failed"}`);
  }

  const step = (text: string, command: string, run: () => Promise<unknown>): PlanStep => ({
    kind: "device",
    name: host,
    text: `${host}: ${text}`,
    command,
    run: async () => {
      await run();
      return [];
    },
  });

  async function assertRunning(): Promise<void> {
    const { code } = await remote(check, { accepted: [0, 1, 3, 4] });
    if (code === 0) return;
    const { stdout } = await remote(log, { accepted: [0, 1] });
    const lines = stdout
      .trim()
      .split("\n")
      .map((line) => `  | ${line}`);
    throw new CommandError([`the model server does not run on ${host}`, ...lines].join("\n"));
  }

  return {
    name: host,
    installed: async () => {
      const { code, stdout } = await remote(`test ! -e ${file} || cat ${file}`);
      return code === 0 && stdout !== "" ? stdout : undefined;
    },
    install: (text, { reference: image, which }) => {
      if (!/^[\w.:/-]+@sha256:[0-9a-f]{64}$/.test(image)) {
        throw new CommandError(`invalid name of an image "${image}"`);
      }
      const again = `tensorgate deploy edge ${host} --install ${flags} --model ${which}`;
      const write = `mkdir -p ${folder} && cat > ${file}.new && mv ${file}.new ${file}`;
      return [
        step(pull(image), again, () => remote(pull(image))),
        step(`write ${file}`, again, () => remote(write, { input: text })),
        step(start, again, () => remote(start)),
        step(check, again, assertRunning),
      ];
    },
    remove: () => {
      const again = `tensorgate delete edge ${host} ${flags}`;
      const remove = `rm -f ${file}${runtime === "podman" ? " && systemctl daemon-reload" : ""}`;
      return [step(stop, again, () => remote(stop)), step(remove, again, () => remote(remove))];
    },
    assertRunning,
  };
}
