import { type Client, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { ModelService } from "@tensorgate/proto/tensorflow_serving/model_service";
import { PredictionService } from "@tensorgate/proto/tensorflow_serving/prediction_service";
import { http2Sessions } from "../http2-sessions.ts";
import { maxReplyBytes } from "../reply-limit.ts";

/** Every call of a TensorFlow Serving, with its own messages. */
export interface ServingServices extends Disposable {
  readonly prediction: Client<typeof PredictionService>;
  readonly model: Client<typeof ModelService>;
  close(): void;
}

/** @param baseUrl - of its gRPC port: `http://10.0.0.4:8500` */
export function openServingServices(baseUrl: string): ServingServices {
  const sessionManager = http2Sessions(baseUrl);
  const transport = createGrpcTransport({ baseUrl, sessionManager, readMaxBytes: maxReplyBytes });
  const close = () => sessionManager.close();
  return {
    prediction: createClient(PredictionService, transport),
    model: createClient(ModelService, transport),
    close,
    [Symbol.dispose]: close,
  };
}
