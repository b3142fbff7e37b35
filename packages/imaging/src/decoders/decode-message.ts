import type { PictureLimits } from "../picture-header.ts";
import type { Preprocessing } from "../preprocess-picture.ts";

/** What a decoder is asked. One at a time, so that its death is the fault of one picture. */
export interface DecodeRequest {
  readonly bytes: Uint8Array;
  readonly preprocessing: Preprocessing;
  readonly limits: PictureLimits;
}

export type DecodeReply =
  | {
      readonly kind: "tensor";
      readonly shape: readonly number[];
      readonly values: Float32Array;
      /** Memory that the decoder holds, in bytes. */
      readonly heldBytes: number;
    }
  | { readonly kind: "refused"; readonly error: RefusalMessage; readonly heldBytes: number };

/** An error as it crosses from one process to another. */
export interface RefusalMessage {
  readonly reason: string;
  readonly message: string;
  readonly hint: string | undefined;
}
