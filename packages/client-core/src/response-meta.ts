/** What is known of an answer beside what it says. */
export interface ResponseMeta {
  readonly requestId: string;
  /** Model and version that answered. */
  readonly model?: string;
  readonly version?: bigint;
  readonly region?: string;
  readonly attempts: number;
  /** How long each stage took at the gateway, in milliseconds. */
  readonly timing: Readonly<Record<string, number>>;
  /** Where the answer came from, where the gateway keeps answers of that model. */
  readonly cache?: string;
  /** What was sent in place of a picture that was made smaller first. */
  readonly upload?: UploadMeta;
}

export interface UploadMeta {
  readonly bytes: number;
  /** By how much smaller that is than the picture was; 0 where it was sent as it is. */
  readonly savedBytes: number;
}

/** An answer with what is known of it, which neither JSON nor a loop over its members shows. */
export type WithMeta<Value> = Value & { readonly meta: ResponseMeta };

export function withMeta<Value extends object>(value: Value, meta: ResponseMeta): WithMeta<Value> {
  return Object.defineProperty(value, "meta", { value: meta }) as WithMeta<Value>;
}

/** Reads a header of an answer by its lower-case name. */
export type ReadAnswerHeader = (name: string) => string | null;

/** What the headers of an answer tell of it. */
export function metaFromHeaders(
  header: ReadAnswerHeader,
  { requestId, attempts }: Pick<ResponseMeta, "requestId" | "attempts">,
): ResponseMeta {
  const answering = header("x-tensorgate-model");
  const at = answering?.lastIndexOf("@") ?? -1;
  const version = at === -1 ? undefined : answering?.slice(at + 1);
  const region = header("x-tensorgate-region");
  return {
    requestId: header("x-request-id") ?? requestId,
    attempts,
    ...(answering !== null && at > 0 && { model: answering.slice(0, at) }),
    ...(version !== undefined && /^\d+$/.test(version) && { version: BigInt(version) }),
    ...(region !== null && { region }),
    ...timingFrom(header("server-timing") ?? ""),
  };
}

/** Reads `Server-Timing`. @see W3C Server-Timing, section 2 */
function timingFrom(text: string): Pick<ResponseMeta, "timing" | "cache"> {
  const timing: Record<string, number> = {};
  let cache: string | undefined;
  for (const metric of text.split(",")) {
    const [name = "", ...parameters] = metric.split(";").map((part) => part.trim());
    for (const parameter of parameters) {
      const [key, value = ""] = parameter.split("=");
      if (key === "dur" && Number.isFinite(Number(value))) timing[name] = Number(value);
      if (key === "desc" && name === "cache") cache = value;
    }
  }
  return { timing, ...(cache !== undefined && { cache }) };
}
