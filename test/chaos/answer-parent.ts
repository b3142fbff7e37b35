import { flushCompileCache } from "node:module";
import type { Answer, ChildQuery, Commands } from "./child.ts";

/** Answers what the parent asks, and ends this process when the parent is gone. */
export function answerParent<Table extends Commands<Table>>(commands: Table): void {
  process.once("disconnect", () => process.exit());
  // Most children are killed, and only a process that ends by itself would keep what it compiled.
  flushCompileCache();
  process.on("message", (query: ChildQuery) => void answer(query));

  async function answer({ id, name, argument }: ChildQuery): Promise<void> {
    // Only `Child.ask` sends questions, and it knows the same table.
    const command = commands[name as keyof Table] as (argument: never) => unknown;
    try {
      send({ id, answer: await command(argument as never) });
    } catch (thrown) {
      send({ id, error: thrown instanceof Error ? thrown.message : String(thrown) });
    }
  }
}

function send(message: Answer): void {
  // A parent that has gone meanwhile needs no answer.
  if (process.connected) process.send?.(message, () => {});
}
