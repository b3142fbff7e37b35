import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { dialects } from "@tensorgate/tf-serving/names";
import ts from "typescript";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));

interface Rule {
  readonly name: string;
  /** The lines of a source that break the rule, from 1. */
  readonly broken: (source: ts.SourceFile) => readonly number[];
  /** A source that breaks it, once, and one that looks like it and does not. */
  readonly planted: string;
  /** The file that both would be; any file by default. */
  readonly plantedAs?: string;
  readonly allowed: string;
  /** Folders, or files, that may break it as yet. One that no longer does must leave the list. */
  readonly exceptIn: readonly string[];
}

const maxFileLines = 300;
/** The list of the gateway's stages is read as a page. */
const maxGatewayLines = 150;
const lineCount = (text: string) => text.trimEnd().split("\n").length;
const lines = (count: number) => "export const line = 1;\n".repeat(count);

/** What the oldest supported Node, 22.18, lacks and the types of the newest one have. */
const newGlobals: ReadonlySet<string> = new Set([
  ...["DisposableStack", "AsyncDisposableStack", "Promise.try", "RegExp.escape"],
  ...["Error.isError", "Math.sumPrecise", "Uint8Array.fromBase64", "Iterator.concat"],
]);

const rules: readonly Rule[] = [
  {
    name: "uses no global that the oldest supported Node lacks, if it is published",
    broken: (source) =>
      isPublished(source)
        ? linesWhere(
            source,
            (node) =>
              (ts.isNewExpression(node) && newGlobals.has(node.expression.getText(source))) ||
              (ts.isPropertyAccessExpression(node) && newGlobals.has(node.getText(source))),
          )
        : [],
    plantedAs: "packages/gateway/src/gateway.ts",
    planted: "const ends = new AsyncDisposableStack();",
    allowed: "const ends = new Map();\nconst later = Promise.resolve();",
    exceptIn: [],
  },
  {
    name: "writes the properties of an object out rather than spread a literal of them",
    broken: (source) =>
      linesWhere(
        source,
        (node) => ts.isSpreadAssignment(node) && ts.isObjectLiteralExpression(node.expression),
      ),
    planted: "export const options = {\n  ...{ clock, random },\n  size: 1,\n};",
    allowed: "export const options = { ...given, ...(clock && { clock }), ...[{ random }][0] };",
    exceptIn: [],
  },
  {
    name: "gives no function literal to a property, if it is published",
    broken: (source) =>
      isPublished(source)
        ? linesWhere(source, (node) => {
            if (!ts.isBinaryExpression(node) || !assignments.has(node.operatorToken.kind))
              return false;
            const value = unwrapped(node.right);
            return (
              (ts.isPropertyAccessExpression(node.left) ||
                ts.isElementAccessExpression(node.left)) &&
              (ts.isArrowFunction(value) || ts.isFunctionExpression(value))
            );
          })
        : [],
    plantedAs: "packages/gateway/src/call.ts",
    planted: "const end = () => {};\ncall.onEnd ??= (() => call.close()) as OnEnd;",
    allowed: "const end = () => call.close();\ncall.onEnd = end;\nconst made = { end: () => {} };",
    // Once for each worker of a browser.
    exceptIn: ["packages/web-client/src/picture/fitter.ts"],
  },
  {
    name: "compares no dialect with a name, if it is published: what it differs in is a property",
    broken: (source) =>
      isPublished(source)
        ? linesWhere(
            source,
            (node) =>
              ts.isBinaryExpression(node) &&
              comparisons.has(node.operatorToken.kind) &&
              [node.left, node.right].some((each) => ts.isStringLiteral(each) && isDialect(each)),
          )
        : [],
    plantedAs: "packages/gateway/src/upstream/replica.ts",
    planted: "const isDevice = dialect !== 'azure-fpga';",
    allowed: "const { isDevice } = kinds['azure-fpga'];\nconst isOther = family === 'vgg-16';",
    exceptIn: [],
  },
  {
    name: "calls its limits max and min",
    broken: (source) =>
      linesOf(
        source,
        source.statements.flatMap((statement) =>
          ts.isVariableStatement(statement)
            ? statement.declarationList.declarations.filter(
                ({ name, initializer }) =>
                  /^(most|least|highest|lowest)(?![a-z])/.test(name.getText(source)) &&
                  !(initializer && ts.isArrowFunction(initializer)),
              )
            : [],
        ),
      ),
    planted: "const maxBytes = 1;\nconst mostBytes = 1;",
    allowed: "const maxBytes = 1;\nconst leastBusy = () => 1;\nconst mostly = true;",
    exceptIn: [],
  },
  {
    name: "calls no type Parts, Facts or Question: Options are settings, Deps what a function calls, Info what is known, Query what is asked",
    broken: (source) =>
      linesOf(
        source,
        source.statements.filter(
          (statement) =>
            (ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement)) &&
            /(Parts|Facts|Question)$/.test(statement.name.text),
        ),
      ),
    planted: "interface RouterParts {}",
    allowed: "interface RouterOptions {}\nexport interface PartsList {}",
    exceptIn: [],
  },
  {
    name: `has at most ${maxFileLines} lines, unless it is a test`,
    broken: ({ fileName, text }) =>
      !fileName.endsWith(".test.ts") && lineCount(text) > maxFileLines ? [maxFileLines] : [],
    planted: lines(maxFileLines + 1),
    allowed: lines(maxFileLines),
    exceptIn: ["packages/tf-serving/src/families/imagenet-labels.ts"],
  },
  {
    name: `is a list of fewer than ${maxGatewayLines} lines, if it is gateway.ts`,
    broken: (source) =>
      isGateway(source) && lineCount(source.text) >= maxGatewayLines ? [maxGatewayLines] : [],
    plantedAs: "packages/gateway/src/gateway.ts",
    planted: lines(maxGatewayLines),
    allowed: lines(maxGatewayLines - 1),
    exceptIn: [],
  },
  {
    name: "refers to nothing that it declares further down, if it is gateway.ts",
    broken: (source) =>
      isGateway(source) ? linesOf(source, source.statements.flatMap(forwardReferences)) : [],
    plantedAs: "packages/gateway/src/gateway.ts",
    planted:
      "function create() {\n  const a = { of: () => b.current };\n  const b = { a };\n  return b;\n}",
    allowed:
      "function create() {\n  const a = { b: other.b };\n  const { b } = a;\n  return { a, of: () => b };\n}",
    exceptIn: [],
  },
];

function isPublished({ fileName }: ts.SourceFile): boolean {
  return /packages\/[\w-]+\/src\//.test(fileName) && !fileName.endsWith(".test.ts");
}

/** What gives a value to a property. A function literal is allocated in the old generation then: see decision 0089. */
const assignments: ReadonlySet<ts.SyntaxKind> = new Set([
  ts.SyntaxKind.EqualsToken,
  ts.SyntaxKind.BarBarEqualsToken,
  ts.SyntaxKind.AmpersandAmpersandEqualsToken,
  ts.SyntaxKind.QuestionQuestionEqualsToken,
]);

const comparisons: ReadonlySet<ts.SyntaxKind> = new Set([
  ts.SyntaxKind.EqualsEqualsEqualsToken,
  ts.SyntaxKind.ExclamationEqualsEqualsToken,
]);

function isDialect({ text }: ts.StringLiteral): boolean {
  return dialects.some((dialect) => dialect === text);
}

/** What is in parentheses, or has its type asserted. */
function unwrapped(expression: ts.Expression): ts.Expression {
  return ts.isParenthesizedExpression(expression) ||
    ts.isAssertionExpression(expression) ||
    ts.isSatisfiesExpression(expression) ||
    ts.isNonNullExpression(expression)
    ? unwrapped(expression.expression)
    : expression;
}

function isGateway({ fileName }: ts.SourceFile): boolean {
  return /(^|\/)gateway\/src\/gateway\.ts$/.test(fileName);
}

/** Identifiers in a function that stand before the variable of that name in its body. */
function forwardReferences(statement: ts.Statement): readonly ts.Node[] {
  if (!ts.isFunctionDeclaration(statement)) return [];
  const declaredAt = new Map<string, number>();
  const collect = (name: ts.BindingName): void => {
    if (ts.isIdentifier(name)) declaredAt.set(name.text, name.end);
    else for (const each of name.elements) if (ts.isBindingElement(each)) collect(each.name);
  };
  for (const each of statement.body?.statements ?? []) {
    if (!ts.isVariableStatement(each)) continue;
    for (const { name } of each.declarationList.declarations) collect(name);
  }
  const found: ts.Node[] = [];
  const visit = (node: ts.Node, parent: ts.Node): void => {
    const isNameOfProperty =
      (ts.isPropertyAssignment(parent) && parent.name === node) ||
      (ts.isPropertyAccessExpression(parent) && parent.name === node) ||
      (ts.isBindingElement(parent) && parent.propertyName === node);
    if (ts.isIdentifier(node) && !isNameOfProperty) {
      if (node.end < (declaredAt.get(node.text) ?? 0)) found.push(node);
    }
    ts.forEachChild(node, (child) => visit(child, node));
  };
  visit(statement, statement);
  return found;
}

function linesWhere(
  source: ts.SourceFile,
  isBroken: (node: ts.Node) => boolean,
): readonly number[] {
  const nodes: ts.Node[] = [];
  const visit = (node: ts.Node): void => {
    if (isBroken(node)) nodes.push(node);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return linesOf(source, nodes);
}

function linesOf(source: ts.SourceFile, nodes: readonly ts.Node[]): readonly number[] {
  return nodes.map((node) => source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1);
}

const sourceFile = (name: string, text: string) =>
  ts.createSourceFile(name, text, ts.ScriptTarget.Latest);

const sources = globSync("{packages,test,bench,scripts,examples}/**/*.{ts,tsx}", {
  cwd: root,
  exclude: (path) => /(^|\/)(node_modules|dist|planted-\w+)(\/|$)/.test(path),
}).map((path) => sourceFile(path, readFileSync(`${root}${path}`, "utf8")));

const isIn = (place: string, { fileName }: ts.SourceFile) =>
  fileName === place || fileName.startsWith(`${place}/`);

test("the sources of the project are read", () => {
  expect(sources.length).toBeGreaterThan(500);
});

test.each(rules)("every source $name", ({ broken, exceptIn }) => {
  const faults = sources
    .filter((source) => !exceptIn.some((folder) => isIn(folder, source)))
    .flatMap((source) => broken(source).map((line) => `${source.fileName}:${line}`));

  expect(faults).toEqual([]);
});

test.each(rules)("folders are excepted only while one of theirs does not: $name", (rule) => {
  const folders = rule.exceptIn.filter((folder) =>
    sources.every((source) => !isIn(folder, source) || rule.broken(source).length === 0),
  );

  expect(folders).toEqual([]);
});

test.each(rules)("a planted violation is found: $name", (rule) => {
  const { broken, plantedAs = "planted.ts", planted, allowed } = rule;
  expect(broken(sourceFile(plantedAs, planted))).toHaveLength(1);
  expect(broken(sourceFile(plantedAs, allowed))).toEqual([]);
});

/** What is missing in the folders of protocols: each is a copy of the form. */
function missingOf(paths: readonly string[]): readonly string[] {
  const folders = new Set(paths.flatMap((path) => /^[^/]+(?=\/)/.exec(path)?.[0] ?? []));
  return [...folders]
    .flatMap((folder) => ["routes", "messages", "errors"].map((name) => `${folder}/${name}.ts`))
    .filter((path) => !paths.includes(path));
}

test("each folder of a protocol has its routes, messages and errors", () => {
  const paths = globSync("**/*.ts", { cwd: `${root}packages/gateway/src/inbound/protocols` });
  expect(paths.length).toBeGreaterThan(30);

  expect(missingOf(paths)).toEqual([]);
});

test("a folder of a protocol without them would be found", () => {
  const form = ["rest/routes.ts", "rest/messages.ts", "rest/errors.ts", "call.ts"];
  expect(missingOf(form)).toEqual([]);
  expect(missingOf([...form, "soap/routes.ts", "soap/rest/errors.ts"])).toEqual([
    "soap/messages.ts",
    "soap/errors.ts",
  ]);
});
