import { type Mutant, mutantsOf } from "../mutant.ts";

const inbound = "packages/gateway/src/inbound";

/** Who may call, and what for. */
export const callerMutants: readonly Mutant[] = [
  ...mutantsOf(
    `${inbound}/access/authentication.ts`,
    [`${inbound}/access/authentication.test.ts`, "test/end-to-end/keys.test.ts"],
    [
      {
        name: "keys: the secret is not compared",
        find: "if (!isRight || !known.has(id))",
        replace: "if (!known.has(id))",
      },
      {
        name: "keys: an unknown id passes",
        find: "if (!isRight || !known.has(id))",
        replace: "if (!isRight && known.has(id))",
      },
      {
        name: "keys: nobody needs one",
        find: "if (request.isPublic) return admission;",
        replace: "if (request) return admission;",
      },
      {
        name: "keys: taken over plaintext from anywhere",
        find: "if (!allowPlaintextKeys && !isPrivate)",
        replace: "if (!allowPlaintextKeys && false)",
      },
      {
        name: "keys: the check of a model passes",
        find: "if (mayUse(model)) return;",
        replace: "if (mayUse) return;",
      },
      {
        name: "keys: a key is for every model",
        find: 'models.has("*") || models.has(model)',
        replace: 'models.has("*") || models.size > 0',
      },
    ],
  ),
  ...mutantsOf(
    `${inbound}/protocols/rpc/connect/handler.ts`,
    ["test/end-to-end/keys.test.ts", "test/hostile/keys-of-every-route.test.ts"],
    [
      {
        name: "keys: reflection without one",
        find: 'path.startsWith("/grpc.health.v1.")',
        replace: 'path.startsWith("/grpc.")',
      },
      {
        name: "keys: our own services without one",
        find: 'path.startsWith("/grpc.health.v1.")',
        replace: 'path.startsWith("/grpc.health.v1.") || path.startsWith("/tensorgate.")',
      },
    ],
  ),
  ...mutantsOf(
    `${inbound}/access/access.ts`,
    [
      "test/end-to-end/keys.test.ts",
      "test/hostile/keys-of-every-route.test.ts",
      "test/end-to-end/residency.test.ts",
      "test/end-to-end/status.test.ts",
    ],
    [
      {
        name: "keys: GetModel tells of every model",
        find: "  call.caller?.assertMayUse(name);\n",
        replace: "",
      },
      {
        name: "residency: the catalog shows every region",
        find: "catalog.list(hints.residency)",
        replace: "catalog.list(undefined)",
      },
      {
        name: "keys: the catalog lists every model",
        find: "caller ? all.filter(({ name }) => caller.mayUse(name)) : all",
        replace: "caller ? [...all] : all",
      },
      {
        name: "keys: the status shows every model",
        find: "pools: region.pools.filter(({ model }) => caller.mayUse(model)),",
        replace: "pools: region.pools,",
      },
    ],
  ),
  ...mutantsOf(
    `${inbound}/protocols/http-handler.ts`,
    ["test/end-to-end/keys.test.ts", "test/hostile/keys-of-every-route.test.ts"],
    [
      {
        name: "keys: REST asks for none",
        find: "const isPublic = route.isPublic === true;",
        replace: 'const isPublic = route.path !== "";',
      },
      {
        name: "keys: REST serves a model that the key is not for",
        find: "      if (model !== undefined) call.caller?.assertMayUse(model);\n",
        replace: "",
      },
    ],
  ),
  ...mutantsOf(
    "packages/gateway/src/models/snapshot.ts",
    ["test/end-to-end/keys.test.ts", "test/hostile/keys-of-every-route.test.ts"],
    [
      {
        name: "keys: a method scores with a model that the key is not for",
        find: "    caller?.assertMayUse(modelSpec.name);\n",
        replace: "",
      },
    ],
  ),
  ...mutantsOf(
    `${inbound}/access/cross-site.ts`,
    ["test/end-to-end/cross-site.test.ts"],
    [
      {
        name: "cross-site: any name on loopback",
        find: "if (!isBoundToLoopback || authority",
        replace: "if (true || authority",
      },
      {
        name: "cross-site: any name after one that is the gateway's own",
        find: "if (authority !== knownAuthority) assertOwnHost(authority);",
        replace: 'if (knownAuthority === "") assertOwnHost(authority);',
      },
      {
        name: "cross-site: any origin",
        find: "if (origin === undefined || isListed(origin) || isOwnOrigin(origin, authority)) {",
        replace: "if (origin === undefined || origin !== '') {",
      },
    ],
  ),
  ...mutantsOf(
    "packages/gateway/src/config/gateway-options.ts",
    [
      "packages/gateway/src/config/access.test.ts",
      "packages/gateway/src/config/parse-config.test.ts",
    ],
    [
      {
        name: "open by default",
        find: "if (isOpenToOthers(options as GatewayOptions)) {",
        replace: "if (isOpenToOthers(options as GatewayOptions) && false) {",
      },
    ],
  ),
  ...mutantsOf(
    "packages/gateway/src/inbound/protocols/call.ts",
    ["packages/gateway/src/inbound/protocols/call.test.ts"],
    [
      {
        name: "answers: named by the model of the one before",
        find: "name !== modelBefore.name || ",
        replace: "",
      },
      {
        name: "answers: with the version of the one before",
        find: " || version !== modelBefore.version",
        replace: "",
      },
      {
        name: "access: layers after one that waits are left out",
        find: "layers: all.slice(index + 1)",
        replace: "layers: []",
      },
    ],
  ),
  ...mutantsOf(
    "packages/gateway/src/inbound/protocols/rest/messages.ts",
    ["packages/gateway/src/inbound/protocols/rest/messages.test.ts"],
    [
      {
        name: "answers: the label of another model with the same index",
        find: "if (before?.label === label) return before.json;",
        replace: "if (before) return before.json;",
      },
    ],
  ),
];
