import { createRegistryClient } from "@tensorgate/client/registry";

/** Registers a SavedModel, converts it, and makes `champion` name it. */
export async function publish(adminUrl: string, from: string): Promise<string> {
  using registry = createRegistryClient({ adminUrl });
  const { version: made } = await registry.registerVersion({ name: "half", from });
  const version = String(made?.version);
  let { job } = await registry.convertVersion({ name: "half", version });
  while (job?.state === "running") {
    await new Promise((resolve) => setTimeout(resolve, 500));
    ({ job } = await registry.getJob({ id: job.id }));
  }
  if (job?.state !== "done") throw new Error(`the conversion failed: ${job?.error}`);
  const { model } = await registry.setAlias({
    name: "half",
    alias: "champion",
    version: BigInt(version),
  });
  return `champion is version ${model?.aliases["champion"]}`;
}
