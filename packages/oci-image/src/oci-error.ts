/** Why an image or a container registry cannot be used. */
export type OciFailure =
  /** A tag, digest, blob or file that does not exist. */
  | "not-found"
  /** A reference, a file or an image that cannot be used. */
  | "invalid"
  /** A file that cannot be read or written. */
  | "file"
  /** A container registry that refuses, fails or breaks off. */
  | "remote";

/** An error for the user: what is wrong, where, and what to do. */
export class OciError extends Error {
  override readonly name = "OciError";
  readonly reason: OciFailure;

  constructor(reason: OciFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}
