import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { ScoringClient, ScoringError } from "@tensorgate/client";
import { testPicture } from "@tensorgate/gateway";
import { CommandError } from "../command-error.ts";
import type { ClusterTools } from "./cluster-tools.ts";
import { openTlsTunnel } from "./tls-tunnel.ts";

/** Most time until a forwarded port is there, in milliseconds. */
const forwardTimeoutMs = 20_000;

/** A port of this machine that leads to a Service. */
export interface ForwardedPort extends AsyncDisposable {
  readonly url: string;
}

export interface ForwardedService {
  readonly service: string;
  readonly port: number;
  /** Whether it expects TLS; calls to the forwarded port are without. */
  readonly isTls: boolean;
}

/** Forwards a free port of this machine to a Service. @throws CommandError if there is none in time */
export async function forwardPort(
  { kubectlPlace }: Pick<ClusterTools, "kubectlPlace">,
  { service, port, isTls }: ForwardedService,
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
      if (!isTls) return { url: `http://127.0.0.1:${local}`, [Symbol.asyncDispose]: stop };
      const tunnel = await openTlsTunnel(Number(local));
      return {
        url: `http://127.0.0.1:${tunnel.port}`,
        [Symbol.asyncDispose]: async () => {
          await tunnel[Symbol.asyncDispose]();
          await stop();
        },
      };
    }
  } finally {
    clearTimeout(timer);
  }
  await stop();
  throw new CommandError(`cannot reach service ${service}: ${said.trim() || "no forwarded port"}`);
}

/** What a model found in the test image. */
export interface TestScore {
  /** Such as `scored a test image: shapes: circle 61 %`. */
  readonly text: string;
  /** Undefined for a model that takes no images. */
  readonly task?: "classify" | "detect";
}

/**
 * Scores a test image with a model, and says what it found.
 *
 * @throws CommandError with the gateway's words
 */
export async function scoreTestImage(
  { url, key }: { readonly url: string; readonly key: string | undefined },
  model: string,
): Promise<TestScore> {
  await using client = new ScoringClient({
    baseUrl: url,
    ...(key !== undefined && { apiKey: key }),
  });
  try {
    const { tasks } = await client.models.get(model);
    if (tasks.includes("detect")) {
      const { boxes } = await client.detect(model, testPicture);
      const [box] = boxes;
      const best = box ? `, ${box.label} ${percent(box.score)}` : "";
      const text = `scored a test image: ${model}: ${boxes.length} boxes${best}`;
      return { text, task: "detect" };
    }
    if (tasks.includes("classify")) {
      const [best] = await client.classify(model, testPicture);
      const found = best
        ? `${best.label ?? `class ${best.index}`} ${percent(best.score)}`
        : "no labels";
      return { text: `scored a test image: ${model}: ${found}`, task: "classify" };
    }
    return { text: `not scored: ${model} takes no images` };
  } catch (thrown) {
    if (!ScoringError.is(thrown)) throw thrown;
    const text = `${model} does not score the test image: ${thrown.message}`;
    throw new CommandError(text, { cause: thrown });
  }
}

const percent = (share: number) => `${Math.round(share * 100)} %`;
