import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";

/** What a child can be asked: functions of one argument, by name. */
export type Commands<Table> = { readonly [Name in keyof Table]: (argument: never) => unknown };

/** A script in its own process that answers questions over IPC; disposing of it ends it. */
export interface Child<Table extends Commands<Table>> extends AsyncDisposable {
  readonly pid: number;
  readonly hasEnded: boolean;
  /** Resolves when the process is gone, however it went. */
  readonly ended: Promise<void>;
  /** @throws Error if the command threw, or the process ended before it answered */
  ask<Name extends keyof Table & string>(
    name: Name,
    ...argument: Parameters<Table[Name]>
  ): Promise<Awaited<ReturnType<Table[Name]>>>;
  signal(name: NodeJS.Signals): void;
}

export interface ChildQuery {
  readonly id: number;
  readonly name: string;
  readonly argument: unknown;
}

export type Answer =
  | { readonly id: number; readonly answer: unknown }
  | { readonly id: number; readonly error: string };

interface Waiting {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** Every run starts the same few scripts some hundred times: half of that is compiling them. */
const compileCache = fileURLToPath(
  new URL("../../node_modules/.cache/tensorgate-chaos", import.meta.url),
);

/** Children that run: whatever ends this process ends them too, also those that are stopped. */
const running = new Set<() => void>();
process.once("exit", () => {
  for (const kill of running) kill();
});

/** @param script - relative to this folder */
export function startChild<Table extends Commands<Table>>(script: string): Child<Table> {
  const child = fork(fileURLToPath(new URL(script, import.meta.url)), {
    execArgv: ["--conditions=@tensorgate/source"],
    env: { ...process.env, NODE_COMPILE_CACHE: compileCache },
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    serialization: "advanced",
  });
  const waiting = new Map<number, Waiting>();
  let lastId = 0;
  let hasEnded = false;
  const kill = () => void child.kill("SIGKILL");
  running.add(kill);

  const ended = new Promise<void>((resolve) => {
    const end = () => {
      hasEnded = true;
      running.delete(kill);
      for (const { reject } of waiting.values()) reject(new Error(`${script} ended`));
      waiting.clear();
      resolve();
    };
    child.once("exit", end);
    child.once("error", end);
  });
  child.on("message", (message: Answer) => {
    const asker = waiting.get(message.id);
    waiting.delete(message.id);
    if ("error" in message) asker?.reject(new Error(`${script}: ${message.error}`));
    else asker?.resolve(message.answer);
  });

  return {
    pid: child.pid ?? 0,
    get hasEnded() {
      return hasEnded;
    },
    ended,
    ask: (name, argument) =>
      new Promise((resolve, reject) => {
        if (hasEnded) return reject(new Error(`${script} has ended`));
        lastId += 1;
        // The child answers by the same table of commands.
        waiting.set(lastId, { resolve: resolve as Waiting["resolve"], reject });
        child.send({ id: lastId, name, argument } satisfies ChildQuery, () => {});
      }),
    signal: (name) => void child.kill(name),
    [Symbol.asyncDispose]: async () => {
      if (hasEnded) return;
      kill();
      await ended;
    },
  };
}
