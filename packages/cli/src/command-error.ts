/** What a user is told in place of a stack: what failed, where, and what to do. */
export class CommandError extends Error {
  override readonly name = "CommandError";
}

/** The error of a port that cannot be had, in words; any other is thrown on. */
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
