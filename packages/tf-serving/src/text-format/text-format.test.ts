import { create } from "@bufbuild/protobuf";
import { DataType, SignatureDefSchema } from "@tensorgate/proto/tensorflow/framework";
import { ModelServerConfigSchema } from "@tensorgate/proto/tensorflow_serving/model_server_config";
import { expect, test } from "vitest";
import { messageFromText } from "./message-from-text.ts";
import { messageText } from "./message-text.ts";
import { TextFormatError } from "./text-tokens.ts";

const read = (text: string) => messageFromText(ModelServerConfigSchema, text);

test("a list of models is read in each way that the format has", () => {
  const config = read(`
    # what is served
    model_config_list: {
      config: {
        name: "half" '_plus_' "two",
        base_path: "/models/\\x41\\102c\\n",
        model_platform: "tensorflow"
      },
      config <
        name: 'b';
        model_type: TENSORFLOW
        model_version_policy { specific { versions: [0x10, 017] versions: 3 } }
        version_labels { key: "stable" value: 42 }
        version_labels { value: -1 key: "canary" }
      >
    }`);

  expect(config).toEqual(
    create(ModelServerConfigSchema, {
      config: {
        case: "modelConfigList",
        value: {
          config: [
            { name: "half_plus_two", basePath: "/models/ABc\n", modelPlatform: "tensorflow" },
            {
              name: "b",
              modelType: 1,
              modelVersionPolicy: {
                policyChoice: { case: "specific", value: { versions: [16n, 15n, 3n] } },
              },
              versionLabels: { stable: 42n, canary: -1n },
            },
          ],
        },
      },
    }),
  );
});

test("an empty text is an empty message", () => {
  expect(read(" # nothing\n")).toEqual(create(ModelServerConfigSchema));
});

test.each([
  {
    text: "improperly formatted file",
    error: 'line 1, column 1: tensorflow.serving.ModelServerConfig has no field "improperly"',
  },
  {
    text: "model_config_list {\n  config { nam: 1 }\n}",
    error: 'line 2, column 12: tensorflow.serving.ModelConfig has no field "nam"',
  },
  {
    text: "model_config_list { config { name: 1 } }",
    error: "line 1, column 36: expected a string in quotes, got 1",
  },
  {
    text: 'model_config_list { config { name "a" } }',
    error: 'line 1, column 35: expected a colon, got "a"',
  },
  {
    text: 'model_config_list { config { name: "a" name: "b" } }',
    error: 'line 1, column 40: field "name" is there twice',
  },
  {
    text: 'model_config_list { config { name: "a" }',
    error: "line 1, column 41: expected a field, got the end of the text",
  },
  { text: "model_config_list { config { name: @ } }", error: 'line 1, column 36: unexpected "@"' },
  {
    text: "model_config_list { config { version_labels { key: 'a' value: 'b' } } }",
    error: "line 1, column 63: unexpected string",
  },
  {
    text: "model_config_list { config { version_labels { name: 'a' } } }",
    error: 'line 1, column 47: an entry of "version_labels" has no field "name"',
  },
  { text: "model_config_list { config { model_type: NONE } }", error: "NONE" },
  { text: "model_config_list: 3", error: 'line 1, column 20: expected a sign, got "3"' },
])("says what is wrong with $text, and where", ({ text, error }) => {
  expect(() => read(text)).toThrow(TextFormatError);
  expect(() => read(text)).toThrow(error);
});

test("a signature is written as TensorFlow's messages quote it", () => {
  const message = create(SignatureDefSchema, {
    methodName: "tensorflow/serving/regress",
    inputs: {
      z: { encoding: { case: "name", value: 'a"\n\u00e9' }, dtype: DataType.DT_STRING },
      inputs: {
        encoding: { case: "name", value: "x:0" },
        dtype: DataType.DT_FLOAT,
        tensorShape: { dim: [{ size: -1n }, { size: 1n }] },
      },
    },
  });

  expect(messageText(SignatureDefSchema, message)).toBe(`inputs {
  key: "inputs"
  value {
    name: "x:0"
    dtype: DT_FLOAT
    tensor_shape {
      dim {
        size: -1
      }
      dim {
        size: 1
      }
    }
  }
}
inputs {
  key: "z"
  value {
    name: "a\\"\\n\\303\\251"
    dtype: DT_STRING
  }
}
method_name: "tensorflow/serving/regress"
`);
});
