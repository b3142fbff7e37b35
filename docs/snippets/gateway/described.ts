import { createGateway, type GatewayOptions, watchManifests } from "@tensorgate/gateway";

/** Starts a gateway that takes labels and preprocessing from its model servers, and follows them. */
export async function startDescribed(options: GatewayOptions) {
  const manifests = watchManifests({ log: console });
  await manifests.look(options);
  const gateway = createGateway(manifests.described(options));
  await gateway.listen();
  manifests.watch({
    options: () => options,
    onChange: () => gateway.reload(manifests.described(options)),
  });
  return {
    gateway,
    close: async () => {
      manifests[Symbol.dispose]();
      await gateway.close();
    },
  };
}
