/** What runs on a device: one model server with one model. */
export interface EdgeUnit {
  /** Such as `resnet50@1`. */
  readonly which: string;
  readonly host: string;
  readonly port: number;
  /** Image with its digest. */
  readonly reference: string;
  /** Device files that the container gets, such as `/dev/xclmgmt0`. */
  readonly device: readonly string[];
}

const serverArgs = (port: number) => [
  ...["model-server", "--models", "/models", "--host", "0.0.0.0"],
  ...["--port", String(port), "--device", "exclusive"],
];

/** Seconds that calls in flight have when the container is replaced. */
export const stopSeconds = 30;

/**
 * Writes a unit for systemd and podman. One unit has one name: a second model on the device replaces the first one.
 *
 * @see podman-systemd.unit(5)
 */
export function quadlet({ reference, which, host, port, device }: EdgeUnit): string {
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

/** Writes a file for Docker Compose. */
export function compose({ reference, which, host, port, device }: EdgeUnit): string {
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
