import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Finds a program, in `PATH` or where `go install` puts it. */
export async function findProgram(name: string): Promise<string | undefined> {
  const go = join(process.env["GOBIN"] ?? join(process.env["HOME"] ?? "", "go/bin"), name);
  if (existsSync(go)) return go;
  return run("which", [name]).then(
    ({ stdout }) => stdout.trim(),
    () => undefined,
  );
}

/** A container registry: the reference implementation of the distribution API. */
export interface DockerRegistry extends AsyncDisposable {
  /** Such as `127.0.0.1:5000`. */
  readonly host: string;
}

/** Starts Debian's docker-registry on a free port, with its own folder. */
export async function startDockerRegistry(program: string): Promise<DockerRegistry> {
  const folder = mkdtempSync(join(tmpdir(), "tensorgate-docker-registry-"));
  const host = `127.0.0.1:${await freePort()}`;
  const config = {
    version: 0.1,
    storage: { filesystem: { rootdirectory: join(folder, "blobs") }, delete: { enabled: true } },
    http: { addr: host },
  };
  writeFileSync(join(folder, "config.yml"), JSON.stringify(config));
  const child = spawn(program, ["serve", join(folder, "config.yml")], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  for await (const line of createInterface({ input: child.stderr })) {
    if (line.includes("listening on")) break;
  }
  child.stderr.resume();
  return {
    host,
    [Symbol.asyncDispose]: async () => {
      child.kill();
      await once(child, "exit");
      rmSync(folder, { recursive: true });
    },
  };
}

/** A port that was free a moment ago: the registry does not say which one it took. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  return typeof address === "object" && address ? address.port : 0;
}
