/** Metadata of a response. */
export interface ResponseMeta {
  readonly requestId: string;
  /** Model that responded. */
  readonly model?: string;
  /** Its version, as a string: a whole number of up to 64 bits. */
  readonly version?: string;
  readonly region?: string;
  readonly attempts: number;
  /** Duration of each stage of the gateway, in milliseconds. */
  readonly timing: Readonly<Record<string, number>>;
  /** Outcome of the response cache, if the gateway caches responses of the model. */
  readonly cache?: string;
  /** The picture that was sent instead of the given one. */
  readonly upload?: UploadMeta;
}

export interface UploadMeta {
  readonly bytes: number;
  /** Bytes saved by making the picture smaller; 0 if it was sent as it is. */
  readonly savedBytes: number;
}

/** A response with its metadata, which is not enumerable: neither JSON nor a loop shows it. */
export type WithMeta<Value> = Value & { readonly meta: ResponseMeta };

export function withMeta<Value extends object>(value: Value, meta: ResponseMeta): WithMeta<Value> {
  return Object.defineProperty(value, "meta", { value: meta }) as WithMeta<Value>;
}

/** Reads a header of a response by its lower-case name. */
export type ReadAnswerHeader = (name: string) => string | null;

/** Reads the metadata from the headers of a response. */
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
    ...(version !== undefined && /^\d+$/.test(version) && { version }),
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
