import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify, stripVTControlCharacters } from "node:util";
import { type Fence, fencesOf } from "../../../scripts/docs/fences.ts";
import { hear } from "../../support/command-process.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));

/** Commands that run until they are stopped, and what they print when they are ready. */
const services: readonly { readonly command: RegExp; readonly ready: RegExp }[] = [
  { command: /^npx tensorgate demo/, ready: /Ctrl-C to stop/ },
  { command: /^npx vite$/, ready: /Local:/ },
  { command: /^node server\.\w+$/, ready: /listening/ },
];

/** A block of the page that was followed: what it printed, and what the page says that it prints. */
export interface Step {
  readonly command: string;
  readonly printed: string;
  readonly expected: string | undefined;
}

export interface FollowedPage extends AsyncDisposable {
  readonly steps: readonly Step[];
  /** An address of the page, on the port that was taken instead. */
  address(url: string): string;
}

/**
 * Follows a page in a new folder, word by word: writes the files that it shows and runs its commands, in its order.
 *
 * Packages are installed from tarballs, and ports are replaced by free ones; nothing else differs from what the page says.
 *
 * @param path - of the page, in `docs`
 * @param ports - that the page uses
 */
export async function followPage(
  path: string,
  ports: readonly number[],
  tarballs: readonly string[],
): Promise<FollowedPage> {
  const fences = fencesOf(readFileSync(`${root}docs/${path}`, "utf8"));
  const folder = mkdtempSync(join(tmpdir(), "tensorgate-tutorial-"));
  const taken = new Map(
    await Promise.all(ports.map(async (port) => [port, await freePort()] as const)),
  );
  const onFreePorts = (text: string) =>
    text.replace(/\b\d{4}\b/g, (port) => String(taken.get(Number(port)) ?? port));
  const shell = new Shell(folder, tarballs, onFreePorts);
  const stop = async () => {
    await shell.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const steps: Step[] = [];
    for (const [at, fence] of fences.entries()) {
      if (fence.path !== undefined) write(shell.cwd, fence, onFreePorts);
      if (fence.language !== "sh") continue;
      const next = fences[at + 1];
      const isAnswer = next?.path === undefined && ["json", ""].includes(next?.language ?? "sh");
      const printed = await shell.run(fence.text);
      steps.push({ command: fence.text, printed, expected: isAnswer ? next?.text : undefined });
    }
    return { steps, address: onFreePorts, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Writes the file that a block shows, under its path in the project: what follows the name of the page. */
function write(folder: string, { path = "", text }: Fence, onFreePorts: (text: string) => string) {
  const file = join(folder, path.split("/").slice(3).join("/"));
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, onFreePorts(text));
}

/** A terminal, and further ones for what runs until it is stopped. */
class Shell {
  cwd: string;
  readonly #tarballs: readonly string[];
  readonly #onFreePorts: (text: string) => string;
  readonly #running: ChildProcess[] = [];

  constructor(folder: string, tarballs: readonly string[], onFreePorts: (text: string) => string) {
    this.cwd = folder;
    this.#tarballs = tarballs;
    this.#onFreePorts = onFreePorts;
  }

  async run(text: string): Promise<string> {
    let printed = "";
    for (const line of text.trim().split("\n")) {
      const service = services.find(({ command }) => command.test(line));
      const folder = /^cd (\S+)$/.exec(line)?.[1];
      if (folder !== undefined) this.cwd = join(this.cwd, folder);
      else if (service) printed += await this.#start(line, service.ready);
      else printed += await this.#execute(this.#onThisMachine(line));
    }
    return printed;
  }

  /** The line with our packages as tarballs, and free ports. */
  #onThisMachine(line: string): string {
    const isInstall = line.startsWith("npm install");
    const names = isInstall
      ? line.split(" ").filter((word) => word.startsWith("@tensorgate/"))
      : [];
    if (names.length === 0) return this.#onFreePorts(line);
    const others = line.split(" ").filter((word) => !word.startsWith("@tensorgate/"));
    const quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"];
    return [...others, ...quiet, ...this.#closureOf(names)].join(" ");
  }

  /** Tarballs of packages and of those of ours that they depend on. */
  #closureOf(names: readonly string[]): readonly string[] {
    const needed = new Set<string>();
    const add = (name: string) => {
      if (needed.has(name)) return;
      needed.add(name);
      const folder = name === "@tensorgate/proto" ? "proto" : `packages/${name.split("/")[1]}`;
      const manifest = JSON.parse(readFileSync(`${root}${folder}/package.json`, "utf8"));
      for (const each of Object.keys(manifest.dependencies ?? {})) {
        if (each.startsWith("@tensorgate/")) add(each);
      }
    };
    for (const name of names) add(name);
    return this.#tarballs.filter((path) =>
      [...needed].some((name) => path.includes(`/${name.slice(1).replace("/", "-")}-0`)),
    );
  }

  async #execute(line: string): Promise<string> {
    const { stdout } = await promisify(execFile)("bash", ["-c", line], {
      cwd: this.cwd,
      env: { ...process.env, npm_config_loglevel: "error" },
    }).catch((thrown) => {
      throw new Error(`${line}: ${thrown.message}\n${thrown.stdout}`);
    });
    return stripVTControlCharacters(stdout);
  }

  async #start(line: string, ready: RegExp): Promise<string> {
    const [program = "", ...args] = line.startsWith("npx tensorgate")
      ? // The sources: installing the command for each page would take most of a minute.
        `node --conditions=@tensorgate/source ${root}packages/cli/src/main.ts ${line.slice(15)} --port ${this.#onFreePorts("8080")} --admin-port 0`.split(
          " ",
        )
      : line.startsWith("npx ")
        ? [
            join(this.cwd, "node_modules/.bin", line.slice(4)),
            "--port",
            this.#onFreePorts("5173"),
            "--strictPort",
          ]
        : line.split(" ");
    const child = spawn(program, args, { cwd: this.cwd, stdio: ["ignore", "pipe", "pipe"] });
    this.#running.push(child);
    return (await hear(child).matching(ready)).input;
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.#running.map(async (child) => {
        if (child.exitCode !== null) return;
        const ended = once(child, "exit");
        child.kill();
        await ended;
      }),
    );
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { readonly port: number };
  server.close();
  await once(server, "close");
  return port;
}

/** A text of a page as a pattern: digits after a point may differ, and an ellipsis stands for anything. */
export function patternOf(expected: string): RegExp {
  const parts = expected.trim().split(/(…|\d\.\d{3,})/);
  const source = parts.map((part, at) =>
    at % 2 === 0
      ? part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")
      : part === "…"
        ? "[\\s\\S]*"
        : "[\\d.e-]+",
  );
  return new RegExp(source.join(""));
}
