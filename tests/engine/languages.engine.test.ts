import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { Stack } from "@pulumi/pulumi/automation";
import { exampleProgram } from "../../lab/examples/index";
import type { Lab } from "../../lab/index";
import type { Language } from "../../lab/languages";
import { findOnPath } from "../../lab/toolchain/lookup";
import { allowedIn } from "./allowed";
import type { Operation } from "./automation";
import { finished, openStack, operate, violations } from "./automation";
import type { LanguageProgram } from "./language-programs";
import { LanguageWorkshop, orSkip } from "./language-programs";
import { texts } from "./language-texts";
import { liveObjects, pack, run, sharedLab } from "./shared-lab";

const home = "bookshop";
const project = { project: "bookshop", stack: "test" };

/** What a program registers, by the end of its URN: type, name and inputs, providers left out. */
function registered(operation: Operation): Map<string, unknown> {
  const found = new Map<string, unknown>();
  for (const { resourcePreEvent } of operation.events) {
    const metadata = resourcePreEvent?.metadata;
    if (!metadata?.new || String(metadata.op) === "read" || /^pulumi:(pulumi|providers)/.test(metadata.type)) continue;
    found.set(metadata.urn.split("::").slice(2).join("::"), metadata.new.inputs as unknown);
  }
  return found;
}

/** Everything that the engine says to a user. */
function said({ events, error }: Operation): string {
  return [...events.map(({ diagnosticEvent }) => diagnosticEvent?.message ?? ""), error ?? ""].join("\n");
}

/** What is not as it was. */
function changes(operation: Operation): unknown[] {
  return finished(operation).filter(({ op }) => op !== "same");
}

/**
 * What the engine reports as errors. What a language's own process prints while it is interrupted is none, and neither is what its
 * SDK reports of a program that is stopped.
 */
function errorsOf({ events }: Operation): string[] {
  return events.flatMap(({ diagnosticEvent }) => {
    if (diagnosticEvent?.severity !== "error" || diagnosticEvent.message.includes("resource monitor shut down"))
      return [];
    return [diagnosticEvent.message.replace(/<\{%[^%]*%\}>/g, "")];
  });
}

/** Programs that take an output in each place of a declaration that has one, in each language. */
const lateValues = path.join(__dirname, "late-values");

/** What a cloud gives that no policy can be made of; nobody may read what is secret of it. */
const wrongValues = {
  range: { value: "169.254.169.254/32" },
  owner: { value: "" },
  account: { value: "not a name: hunter2", secret: true },
};

const stackTrace = /\n\s+at .*:\d+:\d+|Traceback|goroutine \d+|node_modules|unhandled/i;
const unknown = /04da6b54-80e4-46f7-96ec-b56ff0331ba9/;

describe("programs in other languages, on Pulumi's language hosts", () => {
  let lab: Lab;
  let workshop: LanguageWorkshop;
  let inTypeScript: Map<string, unknown>;

  before(async () => {
    lab = await sharedLab();
    workshop = await LanguageWorkshop.open(lab);
    const stack = await openStack({ ...project, lab, program: exampleProgram("languages/typescript") });
    inTypeScript = registered(await operate(stack, "preview"));
  });

  after(() => {
    workshop?.close();
  });

  /** What a language shows in the one order in which its stack goes through life. */
  function lifeOf(language: Language): void {
    const { unprotected } = texts[language];
    let program: LanguageProgram;
    let stack: Stack;
    const gone: string[] = [];

    before(async function () {
      // builds what is missing
      this.timeout(0);
      program = await orSkip(this, () => workshop.program(language));
      stack = await program.open(lab, project.stack, workshop.plugin.env);
    });

    after(async () => {
      if (gone.length === 0 && stack !== undefined) await operate(stack, "destroy");
      program?.remove();
    });

    /** What may pass from the backend to the outside. */
    async function payments(): Promise<string> {
      const { pairs } = allowedIn(await liveObjects(lab), [home]);
      const found = [...pairs].filter(([pair]) => pair.startsWith(`${home}/`) && !pair.includes(`→ ${home}`));
      return found.map(([pair, traffic]) => `${pair}: ${traffic.toString()}`).join("\n");
    }

    /** Names of the objects in a namespace, or of all whose name starts with a text. */
    async function namesIn(namespace: string, start = ""): Promise<string[]> {
      const all = (await liveObjects(lab)).flatMap(({ object: { metadata } }) =>
        metadata?.namespace === namespace ? [metadata.name ?? ""] : [],
      );
      return all.filter((name) => name.startsWith(start));
    }

    it("the pack blocks a service in a namespace that nothing protects, in preview", async () => {
      await program.becomes(unprotected);
      const blocked = await operate(stack, "preview", { policyPacks: [pack] });
      assert.ok(blocked.error !== undefined, "the preview ends well");
      const mandatory = violations(blocked).filter(({ level }) => level === "mandatory");
      assert.ok(
        mandatory.some(({ message }) =>
          message.includes("namespace-default-deny: Namespace default has no default deny"),
        ),
        said(blocked),
      );
    });

    it("an output may be wherever a cloud decides a value, and the preview names every policy", async () => {
      await program.becomesThatOf(lateValues);
      const preview = await operate(stack, "preview", { policyPacks: [pack] });
      assert.equal(preview.error, undefined, said(preview));
      const policies = [...registered(preview)].filter(([key]) => key.includes(":CiliumNetworkPolicy::"));
      const web = policies.find(([key]) => key.endsWith("::late-late/allow-web-egress"));
      assert.match(JSON.stringify(web), unknown);
      assert.doesNotMatch(JSON.stringify(policies), /stand-in/);
    });

    // Java starts five times in each operation: what its SDK sends is seen in these, and it is all that differs
    if (language === "java") return;
    const { undetermined, wrong } = texts[language];

    it("wrong arguments are told one line a problem, with their paths and without a stack trace", async () => {
      await program.becomes(...wrong);
      const refused = await operate(stack, "preview");
      const lines = errorsOf(refused).join("\n");
      assert.match(lines, /^.*flows\[0\]\.to\.workload.*backnd.*Did you mean bookshop\/backend\?$/m, said(refused));
      assert.match(lines, /^.*flows\[1\]\.ports\[0\]\.port.*70000.*from 1 to 65535\.$/m);
      assert.doesNotMatch(lines, stackTrace);
      assert.deepEqual(
        [...registered(refused).keys()].filter((key) => key.includes("NetworkPolicy")),
        [],
      );
    });

    it("an output of a resource of the same update is unknown in the preview, and nothing else is", async () => {
      await stack.setConfig("payments", { value: "198.51.100.0/24" });
      await program.becomes(undetermined);
      const preview = await operate(stack, "preview", { policyPacks: [pack] });
      const planned = registered(preview);
      assert.deepEqual([...planned.keys()].sort(), [...inTypeScript.keys()].sort(), said(preview));
      const differing = [...planned].filter(([key, inputs]) => !isDeepStrictEqual(inputs, inTypeScript.get(key)));
      assert.deepEqual(differing.map(([key]) => key.split("::").at(-1)).sort(), [
        "security",
        "security-bookshop/allow-backend-egress",
      ]);
      const { spec } = new Map(differing).get(
        differing.map(([key]) => key).find((key) => key.includes("NetworkPolicy")) ?? "",
      ) as { spec: { egress: { ports?: unknown }[] } };
      assert.match(JSON.stringify(spec.egress), unknown, "the engine's unknown value");
      assert.match(JSON.stringify(spec.egress), /443/, "ports are known");
    });

    it("wrong outputs end the update before anything opens, one line each", async () => {
      await program.becomesThatOf(lateValues);
      await stack.setAllConfig(wrongValues);
      const refused = await operate(stack, "up");
      await stack.removeAllConfig(Object.keys(wrongValues));
      const lines = errorsOf(refused).join("\n");
      assert.match(lines, /The declaration has 3 problems; no policy was registered\.\n/, said(refused));
      for (const line of [
        /^\s*workloads\[0\]\.serviceAccount: /m,
        /^\s*flows\[0\]\.owner: is empty/m,
        /^\s*flows\[1\]\.to\.cidr: is a metadata endpoint/m,
      ]) {
        assert.match(lines, line);
      }
      assert.doesNotMatch(lines, stackTrace);
      assert.doesNotMatch(said(refused) + refused.output, /hunter2/);
      assert.deepEqual([...(await namesIn("late")), ...(await namesIn("default", "last-"))], []);
    });

    it("right outputs make the policies that they say, and a second update changes nothing", async () => {
      const up = await operate(stack, "up", { policyPacks: [pack] });
      assert.equal(up.error, undefined, said(up));
      const own = [...(await liveObjects(lab))].filter(({ object }) => object.metadata?.namespace === "late");
      const live = JSON.stringify(own.filter(({ object }) => object.kind === "CiliumNetworkPolicy"));
      for (const text of [
        /10\.1\.0\.0\/16/,
        /192\.0\.2\.128\/25/,
        /"5432"/,
        /rates\.example\.com/,
        /serviceaccount":"orders"/,
      ]) {
        assert.match(live, text);
      }
      assert.doesNotMatch(live, /stand-in/);
      const second = await operate(stack, "up");
      assert.equal(second.error, undefined, said(second));
      assert.deepEqual(changes(second), []);
    });

    it("an update under the pack makes the same objects of the same types as the TypeScript program", async () => {
      await program.becomes();
      await stack.setConfig("payments", { value: "198.51.100.0/24" });
      const up = await operate(stack, "up", { policyPacks: [pack] });
      assert.equal(up.error, undefined, said(up));
      const made = registered(up);
      assert.deepEqual([...made.keys()].sort(), [...inTypeScript.keys()].sort());
      for (const [key, inputs] of inTypeScript) {
        if (!key.includes("ClusterSecurity::")) assert.deepEqual(made.get(key), inputs, key);
      }
      const order = finished(up).map(({ urn }) => urn.split("::").slice(2).join("::"));
      const children = order.flatMap((urn, index) => (urn.includes("$kubernetes:networking") ? [index] : []));
      const workloads = order.flatMap((urn, index) => (urn.includes(":Deployment::") ? [index] : []));
      assert.equal(children.length > 0 && workloads.length, 2, "both workloads");
      assert.ok(Math.max(...children) < Math.min(...workloads), "workloads wait for what protects them");
      assert.equal(await payments(), `${home}/backend[Deployment] → 198.51.100.10: TCP 443`);
      assert.deepEqual(await namesIn("late"), []);
    });

    it("destroying takes workloads first and leaves nothing", async () => {
      const destroyed = await operate(stack, "destroy");
      assert.equal(destroyed.error, undefined, said(destroyed));
      gone.push(...finished(destroyed).flatMap(({ op, type }) => (op === "delete" ? [type] : [])));
      const last = gone.lastIndexOf("kubernetes:apps/v1:Deployment");
      assert.ok(last >= 0 && last < gone.indexOf("kubernetes:networking.k8s.io/v1:NetworkPolicy"));
      assert.deepEqual(await namesIn(home), []);
    });
  }

  describe("C#", () => {
    let folder: string;

    before(async function () {
      // builds what is missing
      this.timeout(0);
      folder = await orSkip(this, () => workshop.sdk("csharp"));
    });

    it("the SDK has a class for each component, with its arguments", () => {
      const { resources } = JSON.parse(workshop.plugin.schema) as { resources: Readonly<Record<string, unknown>> };
      for (const token of Object.keys(resources)) {
        const name = token.split(":").at(-1) ?? "";
        const text = readFileSync(path.join(folder, `${name}.cs`), "utf8");
        assert.match(text, new RegExp(`class ${name} : global::Pulumi.ComponentResource`));
        assert.match(text, new RegExp(`class ${name}Args : global::Pulumi.ResourceArgs`));
      }
    });

    it("the SDK compiles", async function () {
      const dotnet = findOnPath("dotnet", process.env["PATH"]);
      if (dotnet === undefined) this.skip();
      const { code, output } = await run(dotnet, ["build"], { cwd: folder });
      assert.equal(code, 0, output);
    });
  });

  const languages: Readonly<Record<Language, string>> = { yaml: "YAML", python: "Python", go: "Go", java: "Java" };
  for (const language of Object.keys(languages) as Language[]) {
    describe(languages[language], () => lifeOf(language));
  }
});
