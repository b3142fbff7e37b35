import { counted } from "@tensorgate/core";
import { testPicture } from "@tensorgate/gateway";
import { CommandError } from "../command-error.ts";

export interface DoctorOptions {
  readonly url: string;
  readonly key?: string;
  /** Origin of a page that calls the gateway. */
  readonly origin?: string;
  readonly timeout: number;
}

/** The result of one check. */
interface Finding {
  readonly isFine: boolean;
  readonly text: string;
  /** What to do if it failed. */
  readonly advice?: string;
}

/** Checks a gateway from a caller's side; prints each result with advice. The exit code is 1 if a check failed. */
export async function runDoctor(options: DoctorOptions): Promise<void> {
  const base = new URL(options.url);
  let wrongCount = 0;
  for await (const { isFine, text, advice } of findings(base, options)) {
    wrongCount += isFine ? 0 : 1;
    process.stdout.write(`${isFine ? "ok   " : "WRONG"} ${text}\n`);
    if (!isFine && advice !== undefined) process.stdout.write(`      ${advice}\n`);
  }
  if (wrongCount > 0)
    throw new CommandError(`${counted(wrongCount, "problem")} found at ${base.href}`);
}

interface Model {
  readonly name: string;
  readonly task: string;
  readonly versions: readonly string[];
  readonly regions: readonly string[];
  readonly weights: string;
}

async function* findings(base: URL, options: DoctorOptions): AsyncGenerator<Finding> {
  const { key, origin, timeout } = options;
  const headers = { ...(key !== undefined && { authorization: `Bearer ${key}` }) };
  const send = (path: string, init: RequestInit = {}) =>
    fetch(new URL(path, base), {
      ...init,
      headers: { ...headers, ...(init.headers as Record<string, string>) },
      signal: AbortSignal.timeout(timeout),
    });

  const alive = await tryRequest(() => send("/livez"));
  if (!(alive instanceof Response)) {
    yield {
      isFine: false,
      text: `${base.href} cannot be reached: ${alive.text}`,
      advice: alive.advice,
    };
    return;
  }
  const isGateway = alive.status === 200;
  yield {
    isFine: isGateway,
    text: isGateway ? `${base.href} answers` : `/livez answers ${alive.status}`,
    advice: "another server, or a proxy, answers at this URL; check the URL",
  };
  if (!isGateway) return;

  const ready = await send("/readyz");
  yield {
    isFine: ready.status === 200,
    text: `ready: ${(await ready.text()).trim()}`,
    advice: "replicas are starting or unreachable; see the gateway's log and /metrics",
  };

  const catalog = await send("/v1/catalog");
  if (catalog.status === 401) {
    yield {
      isFine: false,
      text: "the gateway requires an API key",
      advice: "set --key or TENSORGATE_API_KEY",
    };
    return;
  }
  const { models = [] } = (await catalog.json()) as { models?: readonly Model[] };
  for (const model of models) yield await modelFinding(model, send);
  if (origin !== undefined) yield await originFinding(origin, send);
}

type SendRequest = (path: string, init?: RequestInit) => Promise<Response>;

/** Scores the test picture, if the model takes pictures. */
async function modelFinding(model: Model, send: SendRequest): Promise<Finding> {
  const { name, task, versions, regions, weights } = model;
  const where = `${name}: ${task}, version ${versions.join(", ") || "unknown"}, in ${regions.join(", ")}`;
  const seeded = weights === "seeded" ? "; its weights are random, its results meaningless" : "";
  if (task === "predict") return { isFine: true, text: `${where}; takes tensors, not tested` };
  const startedMs = performance.now();
  const response = await send(`/v1/${task}/${encodeURIComponent(name)}`, {
    method: "POST",
    body: new Uint8Array(testPicture),
  });
  const tookMs = Math.round(performance.now() - startedMs);
  if (response.ok)
    return { isFine: true, text: `${where}; the test picture took ${tookMs} ms${seeded}` };
  const { detail = "", hint } = (await response.json()) as { detail?: string; hint?: string };
  return {
    isFine: false,
    text: `${where}; the test picture failed with ${response.status}: ${detail}`,
    ...(hint !== undefined && { advice: hint }),
  };
}

/** Sends what the browser of a page of another origin sends: a preflight, and then a call. */
async function originFinding(origin: string, send: SendRequest): Promise<Finding> {
  const preflight = await send("/v1/classify/any", {
    method: "OPTIONS",
    headers: {
      origin,
      "access-control-request-method": "POST",
      "access-control-request-headers": "content-type",
    },
  });
  // A gateway answers every preflight, so that a page can read why its call is refused.
  const call = await send("/livez", { headers: { origin } });
  const isFine = [preflight, call].every(({ ok, headers }) => {
    const allowed = headers.get("access-control-allow-origin");
    return ok && (allowed === origin || allowed === "*");
  });
  return {
    isFine,
    text: isFine ? `pages of ${origin} are allowed` : `pages of ${origin} are not allowed`,
    advice: "add it to crossSite.origins in the gateway's configuration",
  };
}

interface Unreached {
  readonly text: string;
  readonly advice: string;
}

async function tryRequest(request: () => Promise<Response>): Promise<Response | Unreached> {
  try {
    return await request();
  } catch (thrown) {
    const { cause } = thrown as { readonly cause?: { readonly code?: string; message?: string } };
    const code = cause?.code ?? (thrown as Error).name;
    const [text = ""] = (cause?.message || (thrown as Error).message).trim().split("\n");
    return { text, advice: adviceFor(code) };
  }
}

function adviceFor(code: string): string {
  if (code === "ERR_SSL_WRONG_VERSION_NUMBER" || code === "EPROTO") {
    return "the server does not use TLS; try http";
  }
  if (/CERT|SIGNED|ALTNAME|SSL|TLS/.test(code)) {
    return "its certificate is not trusted or is for another name; set NODE_EXTRA_CA_CERTS to the CA's certificate";
  }
  switch (code) {
    case "ECONNREFUSED":
      return "nothing listens at this address; check the port, and that the gateway runs";
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "the name does not resolve; check the host name and DNS";
    case "TimeoutError":
      return "no response in time; check for a firewall that drops packets";
    default:
      return "check http or https, and that the port belongs to a gateway";
  }
}
