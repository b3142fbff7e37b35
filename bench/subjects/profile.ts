// Loaded before a subject: profiles it from SIGUSR2 until SIGTERM, so that its start and warm-up are left out.
import { writeFileSync } from "node:fs";
import { Session } from "node:inspector/promises";
import { basename, join } from "node:path";

const session = new Session();
session.connect();
await session.post("Profiler.enable");
await session.post("Profiler.setSamplingInterval", { interval: 200 });
process.once("SIGUSR2", async () => {
  process.once("SIGTERM", writeProfile);
  await session.post("Profiler.start");
});

async function writeProfile(): Promise<void> {
  const { profile } = await session.post("Profiler.stop");
  // Scripts without types are hidden files.
  const script = basename(process.argv[1] ?? "", ".mjs").replace(/^\./, "");
  const name = `${script}-${process.pid}.cpuprofile`;
  writeFileSync(join(process.env["PROFILE_FOLDER"] ?? ".", name), JSON.stringify(profile));
  process.exit();
}
