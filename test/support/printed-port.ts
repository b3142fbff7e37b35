import type { ChildProcess } from "node:child_process";

/** Resolves to what a process prints as `port N`; rejects if it ends before. */
export function printedPort(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    let heard = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      heard += chunk.toString("utf8");
      const port = /port (\d+)\n/.exec(heard)?.[1];
      if (port) resolve(Number(port));
    });
    child.once("exit", (code) => reject(new Error(`it ended with ${code} before it listened`)));
  });
}
