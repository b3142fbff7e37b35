import { createGateway, type ModelOptions, type PoolOptions } from "@tensorgate/gateway";
import { expect, vi } from "vitest";
import { samplePicture } from "../support/pictures.ts";
import { shapesModel } from "../support/running-gateway.ts";
import {
  type InferenceScript,
  type ReceivedCall,
  startScriptedInference,
} from "../support/scripted-inference.ts";
import {
  type ExpectedAnswer,
  exchanged,
  expectAnswer,
  type InferenceRequest,
} from "./inference-exchanges.ts";
import { expectMatch, plain } from "./matchers.ts";

interface ExpectedProblem extends ExpectedAnswer {
  readonly reason?: string | readonly string[];
  readonly lacks?: readonly string[];
}

interface ExpectedCall {
  readonly method: string;
  readonly request?: unknown;
  readonly metadata?: unknown;
  readonly times?: number;
  readonly times_at_most?: number;
}

/** A call of a gateway before scripted backends, or a real server. */
export interface InferenceBackendCase {
  readonly name: string;
  readonly backends?: readonly InferenceScript[];
  /** `rig/triton` and the like. */
  readonly real?: string;
  /** Of a real server. */
  readonly model?: string;
  readonly config?: {
    readonly model?: Partial<ModelOptions>;
    readonly pool?: Partial<PoolOptions>;
  };
  readonly call: InferenceRequest;
  readonly expect: ExpectedProblem | { readonly one_of: readonly ExpectedProblem[] };
  readonly expect_backend?: readonly ExpectedCall[];
}

/** @param realAddress - of the real server that the case names */
export async function expectOfBackends(
  each: InferenceBackendCase,
  realAddress?: string,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const backends = await Promise.all((each.backends ?? []).map(startScriptedInference));
  for (const backend of backends) stack.use(backend);
  const name = each.model ?? each.backends?.[0]?.model ?? "";
  const model: ModelOptions = {
    name,
    ...(name !== "echo" && {
      input: { tensor: "images", kind: "encoded-image" },
      output: { scores: { holds: "probabilities" } },
      labels: shapesModel().labels ?? [],
    }),
    ...each.config?.model,
  };
  const pool: PoolOptions = {
    model: name,
    region: "here",
    dialect: "open-inference",
    replicas: realAddress === undefined ? backends.map(({ address }) => address) : [realAddress],
    ...each.config?.pool,
  };
  const gateway = createGateway({
    region: "here",
    listen: { port: 0 },
    models: [model],
    pools: [pool],
  });
  stack.defer(() => gateway.close(0));
  await gateway.listen();
  const isProbed = () =>
    gateway
      .status()
      .regions.flatMap(({ pools }) => pools)
      .flatMap(({ replicas }) => replicas)
      .every(({ state, lastProbe }) => state === "ready" || lastProbe !== undefined);
  await vi.waitUntil(isProbed, { interval: 10, timeout: 10_000 });

  const answer = await exchanged(gateway.port, each.call);
  const wanted = "one_of" in each.expect ? each.expect.one_of : [each.expect];
  const faults: string[] = [];
  for (const one of wanted) {
    const fault = faultOf(() => expectProblem(answer, one));
    if (fault === undefined) break;
    faults.push(fault);
  }
  if (faults.length === wanted.length) expect.fail(faults.join("\nor: "));
  const calls = backends.flatMap((backend) => backend.calls);
  for (const expected of each.expect_backend ?? []) expectCall(calls, expected);
}

function faultOf(check: () => void): string | undefined {
  try {
    check();
    return undefined;
  } catch (thrown) {
    return (thrown as Error).message;
  }
}

function expectProblem(
  answer: Awaited<ReturnType<typeof exchanged>>,
  { mentions = [], reason, lacks = [], ...wanted }: ExpectedProblem,
): void {
  expectAnswer(answer, wanted);
  const text = answer.body.toString();
  for (const mention of mentions) expect(plain(text)).toContain(plain(mention));
  for (const lacked of lacks) expect(text).not.toContain(lacked);
  if (reason !== undefined) expect([reason].flat()).toContain(JSON.parse(text).reason);
}

function expectCall(
  all: readonly ReceivedCall[],
  { method, times, times_at_most: most = Number.POSITIVE_INFINITY, ...wanted }: ExpectedCall,
): void {
  const calls = all.filter((call) => call.method === method);
  if (times !== undefined) expect(calls).toHaveLength(times);
  expect(calls.length).toBeLessThanOrEqual(most);
  if (wanted.request === undefined && wanted.metadata === undefined) return;
  const [first = expect.fail(`${method} was not called`)] = calls;
  expectSent(first.request, wanted.request ?? {}, method);
  expectMatch(first.metadata, wanted.metadata ?? {}, "metadata");
}

/** With the matchers that only requests to a backend have. */
function expectSent(got: unknown, wanted: unknown, at: string): void {
  const [, pictures] = /^\$bytes_tensor_of_pictures:(.+)$/.exec(String(wanted)) ?? [];
  if (pictures !== undefined) {
    const tensor = pictures.split(",").flatMap((file) => {
      const picture = samplePicture(file.replace(/\.jpg$/, ""));
      const length = Buffer.alloc(4);
      length.writeUInt32LE(picture.byteLength);
      return [length, picture];
    });
    expect(Buffer.concat(tensor).equals(Buffer.from(String(got), "base64")), at).toBe(true);
  } else if (wanted === "$absent") expect(got ?? {}, at).toEqual({});
  else if (Array.isArray(wanted)) {
    expect(got, at).toHaveLength(wanted.length);
    for (const [index, each] of wanted.entries()) {
      expectSent((got as readonly unknown[])[index], each, `${at}[${index}]`);
    }
  } else if (typeof wanted === "object" && wanted !== null) {
    for (const [name, each] of Object.entries(wanted)) {
      if (name === "$bytes_length") expect(Buffer.from(String(got), "base64")).toHaveLength(each);
      else if (name === "$no_parameter") expect(JSON.stringify(got ?? [])).not.toContain(each);
      else if (name.startsWith("$")) expectMatch(got, { [name]: each }, at);
      else expectSent((got as Record<string, unknown> | undefined)?.[name], each, `${at}.${name}`);
    }
  } else expectMatch(got, wanted, at);
}
