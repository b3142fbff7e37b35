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
}

/** An answer with what is known of it, which neither JSON nor a loop over its members shows. */
export type WithMeta<Value> = Value & { readonly meta: ResponseMeta };

export function withMeta<Value extends object>(value: Value, meta: ResponseMeta): WithMeta<Value> {
  return Object.defineProperty(value, "meta", { value: meta }) as WithMeta<Value>;
}

/** Reads `Server-Timing`. @see W3C Server-Timing, section 2 */
export function timingFrom(text: string): Pick<ResponseMeta, "timing" | "cache"> {
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
