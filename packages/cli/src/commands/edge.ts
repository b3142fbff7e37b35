import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openRegistry } from "@tensorgate/registry";
import { CommandError } from "../command-error.ts";
import { explainRegistryError } from "../deploy/service-values.ts";

export interface EdgeOptions {
  readonly registry: string;
  /** Reference, such as `resnet50@1`. */
  readonly model: string;
  readonly port: number;
  /** Device files that the container gets, such as `/dev/xclmgmt0`. */
  readonly device?: readonly string[];
  readonly output?: string;
}

/** Writes how an edge device runs a model: as a Quadlet for systemd and podman, and as a compose file. */
export async function runDeployEdge(host: string, options: EdgeOptions): Promise<void> {
  const registry = openRegistry(options.registry);
  const version = await registry.version(options.model).catch(explainRegistryError);
  const { name, version: number, images } = version;
  const image = images.find(({ isPushed, base }) => isPushed && base !== undefined);
  if (!image) {
    throw new CommandError(
      `${name}@${number} has no pushed image with a server; build one: tensorgate image build ${name}@${number} --name registry.example/${name}-server:${number} --base registry.example/tensorgate:VERSION --push`,
    );
  }
  const reference = `${image.reference.replace(/:[^:/]+$/, "")}@sha256:${image.sha256}`;
  const unit = {
    ...options,
    device: options.device ?? [],
    reference,
    which: `${name}@${number}`,
    host,
  };
  const files = { "tensorgate-model.container": quadlet(unit), "compose.yaml": compose(unit) };
  for (const [file, text] of Object.entries(files)) {
    if (options.output === undefined) {
      process.stdout.write(`# ${file}\n${text}\n`);
      continue;
    }
    await mkdir(options.output, { recursive: true });
    await writeFile(join(options.output, file), text);
    process.stdout.write(`${join(options.output, file)}\n`);
  }
}

interface EdgeUnit extends EdgeOptions {
  readonly device: readonly string[];
  readonly reference: string;
  readonly which: string;
  readonly host: string;
}

const serverArgs = (port: number) => [
  ...["model-server", "--models", "/models", "--host", "0.0.0.0"],
  ...["--port", String(port), "--device", "exclusive"],
];

/** Seconds that calls in flight have when the container is replaced. */
const stopSeconds = 30;

/** One unit with one name: a second model on the device replaces the first one. @see podman-systemd.unit(5) */
function quadlet({ reference, which, host, port, device }: EdgeUnit): string {
  return [
    `# ${which} on ${host}. Copy it to /etc/containers/systemd/, then:`,
    "#   systemctl daemon-reload && systemctl restart tensorgate-model",
    "[Unit]",
    `Description=Tensorgate model server with ${which}`,
    "Wants=network-online.target",
    "After=network-online.target",
    "",
    "[Container]",
    "ContainerName=tensorgate-model",
    `Image=${reference}`,
    `Exec=${serverArgs(port).join(" ")}`,
    `PublishPort=${port}:${port}`,
    ...device.map((path) => `AddDevice=${path}`),
    "ReadOnly=true",
    "Tmpfs=/tmp",
    "NoNewPrivileges=true",
    "DropCapability=all",
    `StopTimeout=${stopSeconds}`,
    "",
    "[Service]",
    "Restart=always",
    "",
    "[Install]",
    "WantedBy=multi-user.target",
    "",
  ].join("\n");
}

function compose({ reference, which, host, port, device }: EdgeUnit): string {
  return [
    `# ${which} on ${host}: docker compose up -d`,
    "name: tensorgate-model",
    "services:",
    "  model:",
    `    image: ${JSON.stringify(reference)}`,
    `    command: ${JSON.stringify(serverArgs(port))}`,
    `    ports: ["${port}:${port}"]`,
    ...(device.length > 0 ? [`    devices: ${JSON.stringify(device)}`] : []),
    "    read_only: true",
    "    tmpfs: [/tmp]",
    "    cap_drop: [ALL]",
    "    security_opt: [no-new-privileges:true]",
    `    stop_grace_period: ${stopSeconds}s`,
    "    restart: always",
    "",
  ].join("\n");
}
