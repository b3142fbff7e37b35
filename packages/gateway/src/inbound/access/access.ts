import type { Caller } from "@tensorgate/core";

/** Reads a header, or a piece of gRPC metadata, by its lower-case name. */
export type ReadHeader = (name: string) => string | undefined;

/** What is known of a call before anything of its body is read: its headers, and where they come from. */
export interface AccessRequest {
  readonly header: ReadHeader;
  /** Where the connection comes from. */
  readonly remoteAddress: string | undefined;
  /** Whether it came encrypted, or from this very machine. */
  readonly isPrivate: boolean;
  /** Whether the call is answered without a key. */
  readonly isPublic: boolean;
  /** "recheck" where a stream that was admitted sends one more message: what counts calls does not count it. */
  readonly kind: "call" | "recheck";
}

/** What the layers found out of who calls. */
export interface Admission {
  /** Absent where no keys are asked for. */
  readonly caller?: Caller;
}

/**
 * Lets a call pass, perhaps with more known of it, or throws the ScoringError that refuses it. Layers are asked in
 * turn, before anything of the body is read.
 */
export type AccessLayer = (
  request: AccessRequest,
  admission: Admission,
) => Admission | Promise<Admission>;

/** Asks each layer in turn. */
export async function admit(
  layers: readonly AccessLayer[],
  request: AccessRequest,
): Promise<Admission> {
  let admission: Admission = {};
  for (const layer of layers) admission = await layer(request, admission);
  return admission;
}
