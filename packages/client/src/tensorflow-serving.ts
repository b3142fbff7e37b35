// TensorFlow Serving's services and messages: every call of a model server.
export * from "@tensorgate/proto/tensorflow/framework";
export * from "@tensorgate/proto/tensorflow_serving/get_model_metadata";
export * from "@tensorgate/proto/tensorflow_serving/get_model_status";
export * from "@tensorgate/proto/tensorflow_serving/model";
export * from "@tensorgate/proto/tensorflow_serving/model_service";
export * from "@tensorgate/proto/tensorflow_serving/predict";
export * from "@tensorgate/proto/tensorflow_serving/prediction_service";
export { openServingServices, type ServingServices } from "./serving/serving-services.ts";
