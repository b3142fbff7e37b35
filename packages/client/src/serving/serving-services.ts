import { type Client, createClient } from "@connectrpc/connect";
import { ModelService } from "@tensorgate/proto/tensorflow_serving/model_service";
import { PredictionService } from "@tensorgate/proto/tensorflow_serving/prediction_service";
import { openGrpcTransport } from "../transport.ts";

/** Every call of TensorFlow Serving, with its own messages. */
export interface ServingServices extends Disposable {
  readonly prediction: Client<typeof PredictionService>;
  readonly model: Client<typeof ModelService>;
  close(): void;
}

/**
 * Opens the services of a model server.
 *
 * A call without `timeoutMs` or `signal` waits as long as its connection is open.
 *
 * @param baseUrl - of its gRPC port: `http://10.0.0.4:8500`
 */
export function openServingServices(baseUrl: string): ServingServices {
  const { transport, close } = openGrpcTransport(baseUrl);
  return {
    prediction: createClient(PredictionService, transport),
    model: createClient(ModelService, transport),
    close,
    [Symbol.dispose]: close,
  };
}
