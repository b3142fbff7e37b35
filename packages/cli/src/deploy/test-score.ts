import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { ScoringClient, ScoringError } from "@tensorgate/client";
import { testPicture } from "@tensorgate/gateway";
import { CommandError } from "../command-error.ts";
import type { ClusterTools } from "./cluster-tools.ts";

/** Most time until a forwarded port is there, in milliseconds. */
const forwardTimeoutMs = 20_000;

/** A port of this machine that leads to a Service. */
export interface ForwardedPort extends AsyncDisposable {
  readonly url: string;
}

/** Forwards a free port of this machine to a Service. @throws CommandError if there is none in time */
export async function forwardPort(
  { kubectlPlace }: Pick<ClusterTools, "kubectlPlace">,
  service: string,
  port: number,
): Promise<ForwardedPort> {
  const args = ["port-forward", `service/${service}`, `:${port}`, "--address", "127.0.0.1"];
  const child = spawn("kubectl", [...args, ...kubectlPlace], { stdio: ["ignore", "pipe", "pipe"] });
  const ended = once(child, "exit").catch(() => {});
  const timer = setTimeout(() => child.kill("SIGKILL"), forwardTimeoutMs);
  let said = "";
  child.stderr.on("data", (piece: Buffer) => {
    said += piece;
  });
  const stop = async () => {
    child.kill();
    await ended;
  };
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      const local = /Forwarding from 127\.0\.0\.1:(\d+)/.exec(line)?.[1];
      if (local === undefined) continue;
      child.stdout.resume();
      return { url: `http://127.0.0.1:${local}`, [Symbol.asyncDispose]: stop };
    }
  } finally {
    clearTimeout(timer);
  }
  await stop();
  throw new CommandError(`cannot reach service ${service}: ${said.trim() || "no forwarded port"}`);
}

/**
 * Scores a test image with a model, and says what it found.
 *
 * @returns such as `shapes: circle 61 %`
 * @throws CommandError with the gateway's words
 */
export async function scoreTestImage(
  { url, key }: { readonly url: string; readonly key: string | undefined },
  model: string,
): Promise<string> {
  await using client = new ScoringClient({
    baseUrl: url,
    ...(key !== undefined && { apiKey: key }),
  });
  try {
    const { tasks } = await client.models.get(model);
    if (tasks.includes("detect")) {
      const { boxes } = await client.detect(model, testPicture);
      const [box] = boxes;
      return `${model}: ${boxes.length} boxes${box ? `, ${box.label} ${percent(box.score)}` : ""}`;
    }
    if (tasks.includes("classify")) {
      const [best] = await client.classify(model, testPicture);
      if (!best) return `${model}: no labels`;
      return `${model}: ${best.label ?? `class ${best.index}`} ${percent(best.score)}`;
    }
    return `${model}: takes no images, not scored`;
  } catch (thrown) {
    if (!ScoringError.is(thrown)) throw thrown;
    throw new CommandError(`${model} does not score the test image: ${thrown.message}`);
  }
}

const percent = (share: number) => `${Math.round(share * 100)} %`;
