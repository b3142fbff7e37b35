import type { CallSignal, FixedSizeTensor, Preprocessing } from "@tensorgate/core";
import type { ConvertedPicture } from "../convert-picture.ts";
import type { DecodeOptions } from "../decode-options.ts";

/** The call that a picture is decoded for. */
export interface DecodeCall {
  readonly signal: CallSignal;
  /** Whose share of the decoders it takes; those without one share theirs. */
  readonly fairnessKey?: string;
}

/** Decodes a picture and makes it what a model takes, in a process that it may crash. */
export type PreprocessInWorker = (
  bytes: Uint8Array,
  preprocessing: Preprocessing,
  options: DecodeOptions,
  call: DecodeCall,
) => Promise<FixedSizeTensor>;

/** Makes a picture one that every model reads, in a process that it may crash. */
export type ConvertInWorker = (
  bytes: Uint8Array,
  options: DecodeOptions,
  call: DecodeCall,
) => Promise<ConvertedPicture>;
