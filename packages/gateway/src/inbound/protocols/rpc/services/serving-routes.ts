import { fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  type ConnectRouterOptions,
  createConnectRouter,
  type HandlerContext,
} from "@connectrpc/connect";
import type { EncodedCall, ServingMethod } from "@tensorgate/core";
import type { ModelSpec as ModelSpecMessage } from "@tensorgate/proto/tensorflow_serving/model";
import { ModelService } from "@tensorgate/proto/tensorflow_serving/model_service";
import { PredictionService } from "@tensorgate/proto/tensorflow_serving/prediction_service";
import {
  createMessageCharge,
  modelMetadataResponse,
  modelSpecFromMessage,
  modelStatusResponse,
  servingErrors,
} from "@tensorgate/tf-serving";
import {
  answered,
  askedNameOf,
  decodeResponse,
  inServingWords,
  type MissingNameError,
  scoreEncoded,
  serviceRouteHeader,
  servingModel,
} from "../../serving-call.ts";
import type { RpcRunner } from "../connect/call.ts";
import { type CodecRouters, opaqueService, unaryMethod } from "../connect/opaque-service.ts";
import type { UnaryMethod } from "../unary.ts";

const methods: readonly ServingMethod[] = ["Predict", "Classify", "Regress", "MultiInference"];

/** Whether a path is that of a method of TensorFlow Serving that scores. */
export function isServingMethod(path: string): boolean {
  return methods.some((method) => path === `/${PredictionService.typeName}/${method}`);
}

export interface ModelRoutesDeps {
  readonly rpc: RpcRunner;
  /** Model of calls that name none. */
  readonly unnamedModel: string | undefined;
}

export interface ServingRoutersDeps extends ModelRoutesDeps {
  readonly options: ConnectRouterOptions;
}

/** The scoring methods of `tensorflow.serving.PredictionService`, in both codecs. */
export function createServingRouters({
  rpc,
  unnamedModel,
  options,
}: ServingRoutersDeps): CodecRouters {
  const binary = createConnectRouter(options);
  const json = createConnectRouter(options);
  const opaque = opaqueService(PredictionService.typeName, methods);

  async function score(
    request: EncodedCall,
    context: HandlerContext,
    decoded: (response: Uint8Array) => Message,
  ): Promise<Message> {
    const serviceRoute = context.requestHeader.get(serviceRouteHeader) ?? undefined;
    const modelSpec = { name: askedNameOf(request) };
    return rpc.run({ modelSpec }, context, async (call, tasks) => {
      const serving = { call, tasks, serviceRoute, unnamedModel };
      const { encoded, model, region } = await scoreEncoded(request, serving);
      return { message: decoded(encoded), model, ...(region !== undefined && { region }) };
    });
  }

  for (const method of methods) {
    const whole = unaryMethod(PredictionService, method);
    const { input, output } = unaryMethod(opaque, method);
    binary.rpc(unaryMethod(opaque, method), (request: Message, context) =>
      score({ method, message: toBinary(input, request) }, context, (response) =>
        fromBinary(output, response),
      ),
    );
    json.rpc(whole, (request: Message, context) =>
      score({ method, message: toBinary(whole.input, request) }, context, (response) =>
        decodeResponse(whole.output, response),
      ),
    );
  }
  return { binary, json };
}

/** The same methods from bytes to bytes. */
export function servingUnaryMethods(
  unnamedModel: ModelRoutesDeps["unnamedModel"],
): readonly UnaryMethod[] {
  const opaque = opaqueService(PredictionService.typeName, methods);
  return methods.map((method): UnaryMethod => {
    const unary = unaryMethod(opaque, method);
    const charge = createMessageCharge(unary.input);
    return {
      method: unary,
      read: (message, budget, header) => {
        charge(message, budget);
        const request = { method, message };
        return {
          askedModel: askedNameOf(request),
          answer: async (call, tasks) => {
            const serviceRoute = header(serviceRouteHeader);
            const serving = { call, tasks, serviceRoute, unnamedModel };
            const { encoded, model, region } = await scoreEncoded(request, serving);
            return { message: encoded, model, ...(region !== undefined && { region }) };
          },
        };
      },
    };
  });
}

/** The methods that describe a model. */
export function addModelRoutes(
  router: ConnectRouter,
  { rpc: { run }, unnamedModel }: ModelRoutesDeps,
): void {
  router.rpc(PredictionService.method.getModelMetadata, (request, context) =>
    run(request, context, async (call, tasks) => {
      const { asked, serviceRoute } = askedOf(request, context);
      // The original looks for a spec, at the fields, and then for the name in the spec.
      if (asked) assertMetadataFields(request);
      const spec = servingModel(asked, { call, tasks, serviceRoute, unnamedModel });
      assertMetadataFields(request);
      const metadata = await inServingWords(spec, () => tasks.modelMetadata(spec, call));
      return { message: modelMetadataResponse(metadata), model: metadata.model };
    }),
  );

  router.service(ModelService, {
    getModelStatus: (request, context) =>
      run(request, context, async (call, tasks) => {
        const { asked, serviceRoute } = askedOf(request, context);
        // A label is not looked at: the states of all versions are returned.
        const serving = { call, tasks, serviceRoute, unnamedModel };
        const { versionLabel: _, ...spec } = servingModel(asked, serving, noStatus);
        const status = await inServingWords(spec, () => tasks.modelStatus(spec, call), {
          model: servingErrors.noVersions,
          version: servingErrors.noVersion,
        });
        return { message: modelStatusResponse(status) };
      }),

    handleReloadConfigRequest: () => {
      throw new ConnectError(
        "models are configured in the gateway, not by its callers",
        Code.Unimplemented,
      );
    },
  });
}

/** @throws UpstreamAnsweredError in the original's words unless the signatures are asked for, and nothing else */
function assertMetadataFields({
  metadataField,
}: {
  readonly metadataField: readonly string[];
}): void {
  if (metadataField.length === 0) throw answered(servingErrors.missingMetadataField());
  const unknown = metadataField.find((each) => each !== "signature_def");
  if (unknown !== undefined) throw answered(servingErrors.unsupportedMetadataField(unknown));
}

/** A model without a name is one that is not there. */
const noStatus: MissingNameError = ({ name, version }) =>
  version === undefined ? servingErrors.noVersions(name) : servingErrors.noVersion(name, version);

/** What a call that describes a model asks for. */
function askedOf(
  { modelSpec }: { readonly modelSpec?: ModelSpecMessage | undefined },
  { requestHeader }: HandlerContext,
) {
  return {
    asked: modelSpec && modelSpecFromMessage(modelSpec),
    serviceRoute: requestHeader.get(serviceRouteHeader) ?? undefined,
  };
}
