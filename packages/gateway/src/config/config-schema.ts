import { z } from "zod";
import { listenDefaults, requestDefaults } from "../inbound/options.ts";
import { decoderDefaults, pictureDefaults } from "../models/options.ts";
import { cacheDefaults } from "../pipeline/options.ts";
import { routingDefaults } from "../routing/options.ts";
import { channelDefaults } from "../upstream/options.ts";
import { gatewaySchema } from "./gateway-options.ts";

/** What a section has where the configuration says nothing. */
const sectionDefaults: Readonly<Record<string, object>> = {
  listen: listenDefaults,
  requests: requestDefaults,
  pictures: pictureDefaults,
  decoding: decoderDefaults,
  cache: cacheDefaults,
  routing: routingDefaults,
  upstream: channelDefaults,
};

/** Returns the JSON Schema of the configuration with its defaults, for editors. */
export function configJsonSchema(): z.core.JSONSchema.JSONSchema {
  const schema = z.toJSONSchema(gatewaySchema, { io: "input" });
  for (const [section, defaults] of Object.entries(sectionDefaults)) {
    const settings = propertiesOf(schema.properties?.[section]);
    for (const [name, value] of Object.entries(defaults)) {
      const setting = settings[name];
      // A default that is a list or depends on other settings is in the description.
      if (typeof setting === "object" && typeof value !== "object") setting.default = value;
    }
  }
  return { ...schema, title: "Tensorgate configuration" };
}

function propertiesOf(section: z.core.JSONSchema._JSONSchema | undefined) {
  return typeof section === "object" ? (section.properties ?? {}) : {};
}
