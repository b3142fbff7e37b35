/** A setting that is well formed and cannot be used: a file that is not there, a variable that is not set. */
export class SettingError extends Error {
  override readonly name = "SettingError";
  /** Where it is set: `pools[0].key`, or a file. */
  readonly where: string;

  constructor(where: string, cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause);
    super(`${where}: ${why}`, { cause });
    this.where = where;
  }
}
