import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { type PinnedProcess, pinned } from "./process.ts";

export interface NginxParts {
  readonly backendPort: number;
  readonly core: number;
  readonly folder: string;
}

/** nginx that passes HTTP/1 bodies on by gRPC, as they are: it translates nothing, which makes it a bound. */
export async function startNginx({
  backendPort,
  core,
  folder,
}: NginxParts): Promise<PinnedProcess> {
  const port = await freePort();
  const config = join(folder, "nginx.conf");
  writeFileSync(config, configText(port, backendPort, folder));
  const child = spawn(
    "taskset",
    ["-c", String(core), "nginx", "-p", folder, "-c", config, "-g", "daemon off;"],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
  await untilListening(port);
  return pinned(child, port);
}

function configText(port: number, backendPort: number, folder: string): string {
  return `worker_processes 1;
error_log stderr error;
pid ${folder}/nginx.pid;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  client_body_buffer_size 1m;
  client_max_body_size 64m;
  keepalive_requests 1000000;
  upstream backend { server 127.0.0.1:${backendPort}; keepalive 32; keepalive_requests 1000000; }
  server {
    listen 127.0.0.1:${port};
    location / { grpc_pass grpc://backend; grpc_buffer_size 64k; }
  }
}
`;
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { readonly port: number };
      server.close(() => resolve(port));
    });
  });
}

async function untilListening(port: number): Promise<void> {
  for (;;) {
    try {
      await fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(1_000) });
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
