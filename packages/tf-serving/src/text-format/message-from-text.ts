import {
  type DescField,
  type DescMessage,
  fromJson,
  type JsonObject,
  type JsonValue,
  type MessageShape,
  ScalarType,
} from "@bufbuild/protobuf";
import { base64Encode } from "@bufbuild/protobuf/wire";
import { TextFormatError, type TextToken, textFormatError, textTokens } from "./text-tokens.ts";

/**
 * Reads a message in protocol buffers' text format, as TensorFlow Serving's configuration files have it.
 *
 * @throws TextFormatError with line and column, for what is not such a text, or names a field that the message does not
 *   have
 * @see https://protobuf.dev/reference/protobuf/textformat-spec
 */
export function messageFromText<Desc extends DescMessage>(
  schema: Desc,
  text: string,
): MessageShape<Desc> {
  const reader = new TextReader(text);
  const json = reader.message(schema, "");
  try {
    return fromJson(schema, json);
  } catch (cause) {
    throw new TextFormatError((cause as Error).message, { cause });
  }
}

const closing: Readonly<Record<string, string>> = { "{": "}", "<": ">" };

/** Reads words from the first to the last, into JSON of the message, whose values `fromJson` checks. */
class TextReader {
  readonly #text: string;
  readonly #tokens: readonly TextToken[];
  #position = 0;

  constructor(text: string) {
    this.#text = text;
    this.#tokens = textTokens(text);
  }

  /** @param end - the sign behind the last field; empty for the end of the text */
  message(schema: DescMessage, end: string): JsonObject {
    const json: JsonObject = {};
    while (!this.#isAt(end)) {
      const name = this.#next("name");
      const field = schema.fields.find((each) => each.name === name.text);
      if (!field) throw this.#error(name, `${schema.typeName} has no field "${name.text}"`);
      const isMessage = takesMessage(field);
      // The colon may be left out before a message.
      if (!this.#take(":") && !isMessage) throw this.#unexpected("a colon");
      this.#add(json, field, name);
      if (!this.#take(",")) this.#take(";");
    }
    this.#position += 1;
    return json;
  }

  #add(json: JsonObject, field: DescField, at: TextToken): void {
    const { name, fieldKind } = field;
    if (fieldKind === "map") {
      for (const entry of this.#values(field)) {
        const { key = "", value = null } = entry as JsonObject;
        json[name] = { ...(json[name] as JsonObject | undefined), [String(key)]: value };
      }
    } else if (fieldKind === "list") {
      const before = (json[name] ?? []) as JsonValue[];
      json[name] = [...before, ...this.#values(field)];
    } else {
      if (name in json) throw this.#error(at, `field "${name}" is there twice`);
      json[name] = this.#value(field);
    }
  }

  /** One value, or several in brackets. */
  #values(field: DescField): readonly JsonValue[] {
    if (!this.#take("[")) return [this.#value(field)];
    const values: JsonValue[] = [];
    while (!this.#take("]")) {
      values.push(this.#value(field));
      if (!this.#take(",") && !this.#isAt("]")) throw this.#unexpected('"," or "]"');
    }
    return values;
  }

  #value(field: DescField): JsonValue {
    if (field.fieldKind === "map") return this.#mapEntry(field);
    if (field.message) return this.message(field.message, this.#open());
    return this.#scalar(field.scalar);
  }

  #open(): string {
    const { text, kind } = this.#next("sign");
    const end = kind === "sign" ? closing[text] : undefined;
    if (end !== undefined) return end;
    this.#position -= 1;
    throw this.#unexpected('"{"');
  }

  #mapEntry(field: DescField & { readonly fieldKind: "map" }): JsonObject {
    const end = this.#open();
    const entry: JsonObject = {};
    while (!this.#isAt(end)) {
      const { text, ...at } = this.#next("name");
      if (text !== "key" && text !== "value") {
        throw this.#error({ text, ...at }, `an entry of "${field.name}" has no field "${text}"`);
      }
      const hasColon = this.#take(":");
      if (text === "value" && field.message) {
        entry[text] = this.message(field.message, this.#open());
      } else {
        if (!hasColon) throw this.#unexpected("a colon");
        entry[text] = this.#scalar(text === "key" ? field.mapKey : field.scalar);
      }
      if (!this.#take(",")) this.#take(";");
    }
    this.#position += 1;
    return entry;
  }

  /** @param type - undefined for an enum */
  #scalar(type: ScalarType | undefined): JsonValue {
    const isNegative = this.#take("-");
    const token = this.#peek();
    this.#position += 1;
    if (token.kind === "string" && !isNegative) return this.#string(token, type);
    const number = token.kind === "number" ? numberText(token.text) : token.text;
    if (token.kind !== "number" && token.kind !== "name") {
      this.#position -= 1;
      throw this.#unexpected("a value");
    }
    if (type === ScalarType.STRING || type === ScalarType.BYTES) {
      throw this.#error(token, `expected a string in quotes, got ${token.text}`);
    }
    if (type === ScalarType.BOOL) return truthValues[token.text] ?? token.text;
    if (type === undefined) return token.kind === "number" ? Number(number) : token.text;
    return isNegative ? `-${number}` : number;
  }

  /** Strings that stand one behind the other are one. */
  #string(first: TextToken, type: ScalarType | undefined): string {
    let latin1 = first.text;
    for (let next = this.#peek(); next.kind === "string"; next = this.#peek()) {
      latin1 += next.text;
      this.#position += 1;
    }
    const bytes = Uint8Array.from(latin1, (character) => character.charCodeAt(0));
    if (type === ScalarType.BYTES) return base64Encode(bytes);
    if (type === ScalarType.STRING) return new TextDecoder().decode(bytes);
    throw this.#error(first, "unexpected string");
  }

  #peek(): TextToken {
    const token = this.#tokens[this.#position] ?? this.#tokens.at(-1);
    if (!token) throw new RangeError("a text without an end");
    return token;
  }

  #next(kind: TextToken["kind"]): TextToken {
    const token = this.#peek();
    if (token.kind !== kind) throw this.#unexpected(kind === "name" ? "a field" : `a ${kind}`);
    this.#position += 1;
    return token;
  }

  #isAt(sign: string): boolean {
    const { kind, text } = this.#peek();
    return sign === "" ? kind === "end" : kind === "sign" && text === sign;
  }

  #take(sign: string): boolean {
    if (!this.#isAt(sign)) return false;
    this.#position += 1;
    return true;
  }

  #unexpected(wanted: string): TextFormatError {
    const token = this.#peek();
    const got = token.kind === "end" ? token.text : JSON.stringify(token.text);
    return this.#error(token, `expected ${wanted}, got ${got}`);
  }

  #error({ offset }: TextToken, what: string): TextFormatError {
    return textFormatError(this.#text, offset, what);
  }
}

const takesMessage = (field: DescField): boolean =>
  field.fieldKind === "map" || field.message !== undefined;

const truthValues: Readonly<Record<string, boolean>> = {
  true: true,
  True: true,
  t: true,
  "1": true,
  false: false,
  False: false,
  f: false,
  "0": false,
};

/** A number as JSON of protocol buffers has it: decimal, without a suffix. */
function numberText(text: string): string {
  if (/^0[xX]/.test(text)) return String(BigInt(text));
  if (/^0[0-7]+$/.test(text)) return String(BigInt(`0o${text.slice(1)}`));
  return text
    .replace(/[fF]$/, "")
    .replace(/^\./, "0.")
    .replace(/\.(?=$|[eE])/, "");
}
