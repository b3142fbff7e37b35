/** Why the registry refuses or fails. */
export type RegistryFailure =
  /** A name, version, alias, folder or reference that does not exist. */
  | "not-found"
  /** A name, reference or file that cannot be used. */
  | "invalid"
  /** A version that exists already, or was deleted. */
  | "conflict"
  /** A version that an alias, an image or a service names. */
  | "in-use"
  /** A file that cannot be read or written. */
  | "file"
  /** A remote store that refuses, fails or breaks off. */
  | "remote";

/** An error for the user: what is wrong, where, and what to do. */
export class RegistryError extends Error {
  override readonly name = "RegistryError";
  readonly reason: RegistryFailure;

  constructor(reason: RegistryFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}
