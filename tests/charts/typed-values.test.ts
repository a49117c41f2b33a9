import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import ts from "typescript";
import { fixture } from "../support/fixtures";
import { publishedAt, publishedValues } from "./published";

const room = path.resolve(__dirname, "..", "..", "sdk", "charts");
/** Keys of the chart that its values.yaml only mentions in a comment, and that its schema does not list. */
const commentedKeys = new Set(["policyAuditMode", "socketLB.hostNamespaceOnly"]);

/** Statements that compile, and such that do not: the version of the chart decides. */
const statements: readonly [compiles: boolean, statement: string][] = [
  [true, `ciliumChart("1.20.2", { encryption: { strictMode: { egress: { enabled: true } } } });`],
  [false, `ciliumChart("1.20.2", { encryption: { strictMode: { enabled: true } } });`],
  [false, `ciliumChart("1.20.2", { encryption: { strictMode: { cidr: "10.0.0.0/8" } } });`],
  [true, `ciliumChart("1.19.6", { encryption: { strictMode: { enabled: true } } });`],
  [true, `ciliumChart("1.18.12", { encryption: { strictMode: { enabled: true } } });`],
  [false, `ciliumChart("1.18.12", { encryption: { strictMode: { egress: { enabled: true } } } });`],
  [false, `ciliumChart("1.18.12", { policyDenyResponse: "icmp" });`],
  [false, `ciliumChart("1.19.6", { k8sClusterNetworkPolicy: { enabled: true } });`],
  [true, `ciliumChart("1.20.2", { k8sClusterNetworkPolicy: { enabled: true } });`],
  [true, `ciliumChart("1.17.18", { hubble: { export: { fileMaxSizeMb: 5 } } });`],
  [false, `ciliumChart("1.18.12", { hubble: { export: { fileMaxSizeMb: 5 } } });`],
  [false, `ciliumChart("1.17.18", { hubble: { networkPolicyCorrelation: { enabled: true } } });`],
  [false, `ciliumChart("1.20.2", { encryption: { type: "wiregard" } });`],
  [false, `ciliumChart("1.20.2", { policyEnforcementMode: "audit" });`],
  [false, `ciliumChart("1.12.19", {});`],
  [true, `ciliumChart("1.20.2", { aKeyOfNoConcern: { deep: 1 } });`],
  [true, `calicoChart("3.32.1", { tolerations: [] });`],
  [true, `calicoChart("3.30.4", { kubeletVolumePluginPath: "None" });`],
  [false, `calicoChart("3.32.1", { kubeletVolumePluginPath: "None" });`],
  [false, `calicoChart("3.32.1", { installation: { enabled: true } });`],
  [false, `calicoChart("3.24.5", {});`],
  [true, `istioChart("1.30.3", { ztunnel: { dnsPolicy: "Default" } });`],
  [false, `istioChart("1.29.6", { ztunnel: { dnsPolicy: "Default" } });`],
  [false, `istioChart("1.30.3", { istiod: { _internal_defaults_do_not_set: {} } });`],
  [false, `istioChart("1.30.3", { cni: { profile: "ambient" } });`],
];

/** Compiles one file beside the room's own. */
function compile(text: string): { program: ts.Program; file: string } {
  const file = path.join(room, "typed-values.check.ts");
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.CommonJS,
    moduleResolution: ts.ModuleResolutionKind.Node10,
    esModuleInterop: true,
    skipLibCheck: true,
    types: [],
  };
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (name) => path.resolve(name) === file || fileExists.call(host, name);
  host.readFile = (name) => (path.resolve(name) === file ? text : readFile.call(host, name));
  host.getSourceFile = (name, ...rest) =>
    path.resolve(name) === file
      ? ts.createSourceFile(name, text, ts.ScriptTarget.ES2022, true)
      : getSourceFile.call(host, name, ...rest);
  return { program: ts.createProgram([file], options, host), file };
}

/** The typed keys below a type, by whether they may be written at all. */
function typedKeys(checker: ts.TypeChecker, type: ts.Type, prefix = ""): { key: string; absent: boolean }[] {
  return checker.getPropertiesOfType(type).flatMap((property) => {
    const key = `${prefix}${property.name}`;
    const inner = checker.getNonNullableType(checker.getTypeOfSymbol(property));
    if ((inner.flags & ts.TypeFlags.Never) !== 0) return [{ key, absent: true }];
    const isMap = (inner.flags & (ts.TypeFlags.Object | ts.TypeFlags.Intersection)) !== 0;
    const isPlainMap = isMap && !checker.isArrayLikeType(inner) && checker.getPropertiesOfType(inner).length > 0;
    return isPlainMap ? typedKeys(checker, inner, `${key}.`) : [{ key, absent: false }];
  });
}

describe("chart values as types", function () {
  this.timeout(60_000);
  const imports = `import type { CiliumValuesByVersion, CalicoValuesByVersion, IstioValuesByVersion } from "./index";
import { calicoChart, ciliumChart, istioChart } from "./index";\n`;
  const types = `export interface Checked {
  cilium117: CiliumValuesByVersion["1.17.18"]; cilium118: CiliumValuesByVersion["1.18.12"];
  cilium119: CiliumValuesByVersion["1.19.6"]; cilium120: CiliumValuesByVersion["1.20.0"];
  calico330: CalicoValuesByVersion["3.30.4"]; calico331: CalicoValuesByVersion["3.31.7"];
  calico332: CalicoValuesByVersion["3.32.1"];
  istio129: IstioValuesByVersion["1.29.6"]; istio130: IstioValuesByVersion["1.30.3"];
}\n`;
  const head = imports + types;
  const text = head + statements.map(([, statement]) => statement).join("\n");
  let compiled: ReturnType<typeof compile>;
  let checker: ts.TypeChecker;
  let checked: ts.Type;

  before(() => {
    compiled = compile(text);
    checker = compiled.program.getTypeChecker();
    const source = compiled.program.getSourceFile(compiled.file) ?? assert.fail("no source");
    const declaration = source.statements.find(ts.isInterfaceDeclaration) ?? assert.fail("no interface");
    checked = checker.getTypeAtLocation(declaration);
  });

  const keysOf = (name: string): { key: string; absent: boolean }[] => {
    const property = checker.getPropertyOfType(checked, name) ?? assert.fail(name);
    const keys = typedKeys(checker, checker.getTypeOfSymbol(property));
    assert.ok(keys.length > 5, name);
    return keys;
  };

  it("let a key through only where its version has it", () => {
    const source = compiled.program.getSourceFile(compiled.file) ?? assert.fail("no source");
    const lines = new Set(
      compiled.program
        .getSemanticDiagnostics(source)
        .map(({ start }) => source.getLineAndCharacterOfPosition(start ?? 0).line),
    );
    const first = head.split("\n").length - 1;
    assert.ok(
      [...lines].every((line) => line >= first),
      "what is before the statements compiles",
    );
    for (const [index, [compiles, statement]] of statements.entries()) {
      assert.equal(!lines.has(first + index), compiles, statement);
    }
  });

  for (const [name, version] of [
    ["cilium117", "1.17.6"],
    ["cilium117", "1.17.18"],
    ["cilium118", "1.18.5"],
    ["cilium118", "1.18.12"],
    ["cilium119", "1.19.6"],
    ["cilium120", "1.20.0"],
  ] as const) {
    it(`spell out keys that the Cilium ${version} chart has, and bar those that it has not`, function () {
      const folder = fixture(`charts/cilium-${version}`);
      if (folder === undefined) return this.skip();
      const file = path.join(folder, "values.schema.json");
      interface Schema {
        readonly properties?: Readonly<Record<string, Schema>>;
      }
      const schema = JSON.parse(readFileSync(file, "utf8")) as Schema;
      for (const { key, absent } of keysOf(name)) {
        if (commentedKeys.has(key)) continue;
        let current: Schema | undefined = schema;
        for (const part of key.split(".")) current = current?.properties?.[part];
        assert.equal(current === undefined, absent, key);
      }
    });
  }

  for (const [name, version] of [
    ["calico330", "3.30.4"],
    ["calico331", "3.31.7"],
    ["calico332", "3.32.1"],
  ] as const) {
    it(`spell out keys that the Calico ${version} operator chart has`, function () {
      const published = publishedValues(`tigera-operator-${version}`);
      if (published === undefined) return this.skip();
      for (const { key, absent } of keysOf(name)) {
        // some that the chart has are barred: their resources belong to the stack
        if (!absent) assert.ok(publishedAt(published, key) !== undefined, key);
      }
    });
  }

  for (const [name, version] of [
    ["istio129", "1.29.6"],
    ["istio130", "1.30.3"],
  ] as const) {
    it(`spell out keys that the Istio ${version} charts have`, function () {
      const folders: Readonly<Record<string, string>> = { istiod: "istio-discovery", cni: "istio-cni" };
      for (const { key, absent } of keysOf(name)) {
        const [chart = "", ...rest] = key.split(".");
        const published = publishedValues(`${folders[chart] ?? chart}-${version}`);
        if (published === undefined) return this.skip();
        if (!absent) assert.ok(publishedAt(published, rest.join(".")) !== undefined, key);
      }
    });
  }
});
