/** An error for the user, printed without a stack: what failed, where, and what to do. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  /** Of the process: 1 for a failure, 2 for wrong usage, 130 for a command that Ctrl-C stopped. */
  readonly exitCode: number;

  constructor(message: string, options: ErrorOptions & { readonly exitCode?: number } = {}) {
    super(message, options);
    this.exitCode = options.exitCode ?? 1;
  }
}

/** Arguments that do not fit each other, which the parser of the command line cannot see. */
export class UsageError extends CommandError {
  constructor(message: string) {
    super(message, { exitCode: 2 });
  }
}

/** Explains why a port cannot be bound; returns any other error unchanged. */
export function explainedListenError(
  thrown: unknown,
  { host, port }: { readonly host: string; readonly port: number },
  flag = "--port",
): Error {
  const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
  const where = `${host}:${port}`;
  switch (code) {
    case "EADDRINUSE":
      return new CommandError(
        `${where} is already in use; stop the other program, or choose another port (${flag} 0 picks a free one)`,
      );
    case "EACCES":
      return new CommandError(`no permission to bind ${where}; choose a port above 1023`);
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return new CommandError(`this machine has no address ${host}`);
    default:
      return thrown instanceof Error ? thrown : new Error(String(thrown));
  }
}
