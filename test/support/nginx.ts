import { execFileSync, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Whether nginx is installed: Debian's is in /usr/sbin, which is not in everybody's path. */
export const nginxProgram: string | undefined = ["nginx", "/usr/sbin/nginx"].find((program) => {
  try {
    execFileSync(program, ["-v"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
});

export interface Nginx extends AsyncDisposable {
  readonly url: string;
  /** What it found wrong. */
  errors(): string;
}

/** nginx as it comes, in front of HTTP/1.1 servers, with connections to them that it keeps. */
export async function startNginx(program: string, ports: readonly number[]): Promise<Nginx> {
  const folder = mkdtempSync(join(tmpdir(), "tensorgate-nginx-"));
  const port = await freePort();
  const config = join(folder, "nginx.conf");
  writeFileSync(config, configText({ port, ports, folder }));
  const child = spawn(program, ["-p", folder, "-c", config, "-g", "daemon off;"], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const exited = once(child, "exit");
  return {
    url: `http://127.0.0.1:${port}`,
    errors: () => readFileSync(join(folder, "error.log"), "utf8"),
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGTERM");
      await exited;
      rmSync(folder, { recursive: true });
    },
  };
}

interface ConfigOptions {
  readonly port: number;
  readonly ports: readonly number[];
  readonly folder: string;
}

function configText({ port, ports, folder }: ConfigOptions): string {
  const servers = ports.map((each) => `server 127.0.0.1:${each};`).join(" ");
  return `worker_processes 1;
error_log ${folder}/error.log;
pid ${folder}/nginx.pid;
events { worker_connections 512; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  upstream gateways { ${servers} keepalive 32; }
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://gateways; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
`;
}

/** A port that no outgoing connection of the system takes by chance: a server may be started on it again. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(10_000, 32_768);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
}
