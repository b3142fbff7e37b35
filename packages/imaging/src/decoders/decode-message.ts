import type { FixedSizeTensor, Preprocessing } from "@tensorgate/core";
import type { DecodeOptions } from "../decode-options.ts";
import type { PictureSize } from "../header/header-info.ts";

/** What a decoder is asked. One at a time, so that its death is the fault of one picture. */
export interface DecodeRequest {
  readonly bytes: Uint8Array;
  readonly options: DecodeOptions;
  /** What becomes of it: what a model takes, or where this is absent a picture that every model reads. */
  readonly preprocessing?: Preprocessing;
}

/** What a decoder's process says. */
export type DecoderMessage =
  /** It has begun, and takes pictures. */
  | { readonly kind: "ready" }
  /** It has a picture: what becomes of it from here on is that picture's doing. */
  | { readonly kind: "taken" }
  | DecodeReply;

export type DecodeReply = DecodeOutcome & {
  /** Memory that the decoder holds, in bytes. */
  readonly heldBytes: number;
};

export type DecodeOutcome =
  | { readonly kind: "tensor"; readonly tensor: FixedSizeTensor }
  | { readonly kind: "picture"; readonly bytes: Uint8Array; readonly size: PictureSize }
  | { readonly kind: "refused"; readonly error: RefusalMessage };

/** An error as it crosses from one process to another. */
export interface RefusalMessage {
  readonly reason: string;
  readonly message: string;
  readonly hint: string | undefined;
}
