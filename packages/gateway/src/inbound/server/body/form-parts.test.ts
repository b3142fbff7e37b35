import { createWorkBudget } from "@tensorgate/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { formParts } from "./form-parts.ts";

const contentType = "multipart/form-data; boundary=BB";

function partsOf(form: string | Buffer, type = contentType, maxElements = 1_000) {
  const budget = createWorkBudget(maxElements);
  const parts = [];
  for (const part of formParts(Buffer.from(form), type, budget)) {
    const { bytes, ...said } = part;
    parts.push({ ...said, text: Buffer.from(bytes).toString("latin1") });
  }
  return { parts, spent: budget.spent };
}

const formOf = (headers: string) => `--BB\r\n${headers}\r\n\r\nhello\r\n--BB--\r\n`;

test.each([
  {
    name: "a browser",
    headers:
      'Content-Disposition: form-data; name="image"; filename="5%22 screen.jpg"\r\nContent-Type: image/jpeg',
    fileName: '5" screen.jpg',
  },
  {
    name: ".NET",
    headers:
      "Content-Disposition: form-data; name=image; filename=x.jpg; filename*=utf-8''x%20%e2%82%ac.jpg",
    fileName: "x €.jpg",
  },
  {
    name: "filename* alone, in Latin-1",
    headers: "Content-Disposition: form-data; name=image; filename*=ISO-8859-1'en'x%20%e9.jpg",
    fileName: "x é.jpg",
  },
  {
    name: "filename* that cannot be read",
    headers:
      'Content-Disposition: form-data; filename*=utf-8\'\'%ff; filename="y.jpg"; name="image"',
    fileName: "y.jpg",
  },
  {
    name: "filename* alone, which cannot be read",
    headers: "Content-Disposition: form-data; name=image; filename*=windows-1252''%80.jpg",
    fileName: "windows-1252''%80.jpg",
  },
  {
    name: "a library for mail that splits names",
    headers:
      'Content-Disposition: form-data; name=image; filename*0="a long "; filename*1=na%6de.jpg',
    fileName: "a long na%6de.jpg",
  },
  {
    name: "a library for mail that splits names that are not ASCII",
    headers:
      "Content-Disposition: form-data; name=image;\r\n filename*1*=%BCk;\r\n filename*2=\".jpg\";\r\n filename*0*=utf-8'lv'%C4",
    fileName: "ļk.jpg",
  },
  {
    name: "Go and Java",
    headers:
      'Content-Disposition: form-data; name="image"; filename="5\\" screen\\\\; x=\\"y\\".jpg"',
    fileName: '5" screen\\; x="y".jpg',
  },
  {
    name: "a path of Windows",
    headers: 'Content-Disposition: form-data; name="image"; filename="C:\\new\\x.jpg"',
    fileName: "C:\\new\\x.jpg",
  },
  {
    name: "UTF-8 as it is",
    headers: 'Content-Disposition: form-data; name="image"; filename="фото.jpg"',
    fileName: "фото.jpg",
  },
  {
    name: "other letter case and no blanks",
    headers: 'CONTENT-DISPOSITION:FORM-DATA;NAME="image";FileName="x.jpg"',
    fileName: "x.jpg",
  },
  {
    name: "blanks everywhere, and further headers",
    headers:
      'X-A: 1\r\ncontent-disposition : form-data ; filename = "x.jpg" ; name = image\r\nContent-Transfer-Encoding: binary',
    fileName: "x.jpg",
  },
  {
    name: "a folded header",
    headers: 'Content-Disposition: form-data;\r\n name="image";\r\n\tfilename="x.jpg"',
    fileName: "x.jpg",
  },
  {
    name: "an empty file name",
    headers: 'Content-Disposition: form-data; name="image"; filename=""',
    fileName: "",
  },
  {
    name: "no file name",
    headers: 'Content-Disposition: form-data; name="image"\r\nContent-Type: image/jpeg',
    fileName: undefined,
  },
])("a form as of $name is read", ({ headers, fileName }) => {
  const { parts } = partsOf(formOf(headers));

  expect(parts).toMatchObject([{ name: "image", fileName, text: "hello" }]);
});

test("a file name in Latin-1 is read", () => {
  const headers = 'Content-Disposition: form-data; name="image"; filename="é.jpg"';

  const { parts } = partsOf(Buffer.from(formOf(headers), "latin1"));

  expect(parts[0]?.fileName).toBe("é.jpg");
});

test("quotes in the name of a field are read, and a type loses its parameters", () => {
  const { parts } = partsOf(
    formOf('Content-Disposition: form-data; name="a\\\\b\\";c"\r\nContent-Type: Image/JPEG; q=1'),
  );

  expect(parts).toMatchObject([{ name: 'a\\b";c', mediaType: "image/jpeg" }]);
});

test.each([
  { name: "all lines", text: "hello" },
  { name: "all lines, and content that ends with CR", text: "a\r\n\r\n--B\r\n\n\r" },
  { name: "all lines of an empty part", text: "" },
])("a form whose boundaries end with LF alone has it at the end of $name", ({ text }) => {
  const lines = ["--BB", headers, "", text, "--BB \t", headers, "Content-Type: image/png", "", "b"];
  const form = lines.join("\n");

  for (const before of ["", "a preamble\n", "\n"]) {
    for (const after of ["\n--BB--", "\n--BB--\n", "\n--BB--\nafter\n--BB\n"]) {
      expect(partsOf(before + form + after).parts).toMatchObject([
        { name: "image", text },
        { name: "image", mediaType: "image/png", text: "b" },
      ]);
    }
  }
});

test("line breaks of a form may be mixed", () => {
  const form = `--BB\r\n${headers}\nX-A: 1\r\n\nhello\n--BB\n${headers}\n\r\nhi\r\n--BB--`;

  expect(partsOf(form).parts).toMatchObject([
    { name: "image", text: "hello" },
    { name: "image", text: "hi" },
  ]);
});

const headers = 'Content-Disposition: form-data; name="image"';
const part = `--BB\r\n${headers}\r\n\r\n`;

test.each([
  {
    name: "text before and after",
    form: `a preamble\r\n${part}hello\r\n--BB--\r\nfoo\r\n--BB\r\n`,
  },
  { name: "a line break before", form: `\r\n${part}hello\r\n--BB--` },
  { name: "blanks after the boundaries", form: `--BB \t\r\n${headers}\r\n\r\nhello\r\n--BB-- ` },
])("$name is no part of it", ({ form }) => {
  expect(partsOf(form).parts).toMatchObject([{ name: "image", text: "hello" }]);
});

test("what only begins like a boundary is content, and charged", () => {
  const content = "\r\n--BBx\r\n--B\r\n-- BB\r\n--BB--x--BB\r--BB".replace("--BB--x", "--bb");

  const { parts, spent } = partsOf(`${part}${content}\r\n--BB--`);

  expect(parts).toMatchObject([{ text: content }]);
  expect(spent).toBe(6);
});

test("content of the characters that boundaries begin with is read as it is", () => {
  const pieces = fc.array(fc.constantFrom("\r", "\n", "-", "B", "\r\n", "\r\n--", "----"));
  fc.assert(
    fc.property(pieces, (content) => {
      const text = content.join("").replaceAll(/BB+/g, "B");

      expect(partsOf(`${part}${text}\r\n--BB--`).parts).toMatchObject([{ text }]);
    }),
  );
});

test("blanks after a boundary end somewhere", () => {
  const blanks = (count: number) => `${part}hello\r\n--BB${" ".repeat(count)}\r\n\r\n\r\n--BB--`;

  expect(partsOf(blanks(1_024)).parts).toHaveLength(2);
  expect(partsOf(blanks(1_025)).parts).toHaveLength(1);
});

test("parts without headers, without content and without both are parts", () => {
  const form = `--BB\r\n\r\nhello\r\n${part}\r\n${part.slice(0, -2)}\r\n--BB\r\n\r\n--BB\r\n\r\n\r\n--BB--`;

  expect(partsOf(form).parts.map(({ name, text }) => [name, text])).toEqual([
    ["", "hello"],
    ["image", ""],
    ["image", ""],
    ["", ""],
    ["", ""],
  ]);
});

test.each([
  'multipart/form-data; boundary="BB"',
  "Multipart/Form-Data; charset=utf-8; BOUNDARY=BB ; x=y",
])("the boundary of %j is found", (type) => {
  expect(partsOf(`${part}hello\r\n--BB--`, type).parts).toHaveLength(1);
});

test.each([
  { name: "no boundary", form: `${part}x\r\n--BB--`, type: "multipart/form-data" },
  { name: "an empty boundary", form: "--\r\n\r\n----", type: 'multipart/form-data; boundary=""' },
  {
    name: "a boundary of 71 characters",
    form: `--${"a".repeat(71)}--`,
    type: `multipart/form-data; boundary=${"a".repeat(71)}`,
  },
  { name: "no boundary in the body", form: "hello", type: contentType },
  { name: "nothing", form: "", type: contentType },
  { name: "a body that is cut in a part", form: `${part}hel`, type: contentType },
  { name: "a body that is cut in a boundary", form: `${part}hello\r\n--B`, type: contentType },
  { name: "a body that is cut in the headers", form: `--BB\r\n${headers}\r\n`, type: contentType },
  {
    name: "a form in the form",
    form: '--BB\r\nContent-Type: multipart/mixed; boundary="CC"\r\n\r\n--CC--\r\n--BB--',
    type: contentType,
  },
])("$name is the caller's mistake", ({ form, type }) => {
  expect(() => partsOf(form, type)).toThrow(expect.objectContaining({ reason: "invalid-request" }));
});

test("a boundary of 70 characters is read", () => {
  const boundary = "-".repeat(70);
  const form = `--${boundary}\r\n${headers}\r\n\r\n--\r\n--${boundary}--`;

  expect(partsOf(form, `multipart/form-data; boundary=${boundary}`).parts).toHaveLength(1);
});

test.each([
  { name: "empty parts", piece: "--BB\r\n\r\n\r\n", spent: 101 },
  { name: "fields", piece: `--BB\r\nA: b\r\n\r\n\r\n`, spent: 101 },
  { name: "boundaries that are none", piece: "\r\n--BBB", spent: 101, start: part },
  { name: "beginnings of boundaries", piece: "\r\n--B", spent: 101, start: part },
  { name: "headers", piece: "A:b\r\n", spent: 101, start: "--BB\r\n", end: "\r\n\r\n" },
])("a bomb of $name is read to the end of the budget, and no further", (bomb) => {
  const { piece, spent, start = "", end = "" } = bomb;
  const budget = createWorkBudget(100);
  const form = Buffer.from(start + piece.repeat(1_000) + end);

  expect(() => [...formParts(form, contentType, budget)]).toThrow(
    expect.objectContaining({ reason: "too-large" }),
  );

  expect(budget.spent).toBe(spent);
});

test.each(["a", "a: b\r\n", "\r\n--BB"])("headers of %j without end are too large", (piece) => {
  expect(() => partsOf(`--BB\r\n${piece.repeat(100_000)}`)).toThrow(
    expect.objectContaining({ reason: "too-large" }),
  );
});

test("parts are views of the form, and none is looked for before it is asked for", () => {
  const form = Buffer.from(`${part}hello\r\n${part}${"x".repeat(1_000)}`);
  const budget = createWorkBudget(2);

  const first = formParts(form, contentType, budget).next();

  expect(first.value?.bytes.buffer).toBe(form.buffer);
  expect(budget.spent).toBe(2);
});

test("headers of a part are no longer than 8 KiB", () => {
  expect(() => partsOf(formOf(`x: ${"y".repeat(8_100)}`))).not.toThrow();
  expect(() => partsOf(formOf(`x: ${"y".repeat(9_000)}`))).toThrow(
    expect.objectContaining({ reason: "too-large" }),
  );
});
