import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import type { Stack } from "@pulumi/pulumi/automation";
import { program as bookshop } from "../../examples/languages/typescript/program";
import type { Lab } from "../../lab/index";
import { provideLanguages } from "../../lab/languages";
import { ToolchainError } from "../../lab/toolchain/index";
import { allowedIn } from "./allowed";
import type { Operation } from "./automation";
import { finished, openStack, operate, violations } from "./automation";
import type { AttachedPlugin } from "./language-programs";
import { LanguageProgram, attachPlugin } from "./language-programs";
import { liveObjects, pack, sharedLab } from "./shared-lab";

const home = "bookshop";
const project = { project: "bookshop", stack: "test" };
/** A replacement in a program's text. */
type Replacement = readonly [what: string, by: string];

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

function errorsOf({ events }: Operation): string[] {
  return events.flatMap(({ diagnosticEvent }) =>
    diagnosticEvent?.severity === "error" ? [diagnosticEvent.message.replace(/<\{%[^%]*%\}>/g, "")] : [],
  );
}

function opened(program: LanguageProgram | undefined): LanguageProgram {
  return program ?? assert.fail("the program is not there");
}

const stackTrace = /\n\s+at .*:\d+:\d+|Traceback|goroutine \d+|node_modules|unhandled/i;

describe("programs in other languages, on Pulumi's language hosts", () => {
  let lab: Lab;
  let plugin: AttachedPlugin;
  let inTypeScript: Map<string, unknown>;

  before(async () => {
    lab = await sharedLab();
    await provideLanguages(lab.engine, ["yaml"]);
    plugin = await attachPlugin();
    const stack = await openStack({ ...project, lab, program: bookshop });
    inTypeScript = registered(await operate(stack, "preview"));
  });

  after(() => {
    plugin?.stop();
  });

  /** What a language shows in the one order in which its stack goes through life; `undetermined` makes an output unknown in a preview. */
  function lifeOf(
    make: () => Promise<LanguageProgram>,
    texts: {
      readonly unprotected: Replacement;
      readonly undetermined?: Replacement;
      readonly wrong?: readonly Replacement[];
    },
  ): void {
    let program: LanguageProgram | undefined;
    let stack: Stack;
    const gone: string[] = [];

    before(async function () {
      try {
        program = await make();
      } catch (error) {
        if (!(error instanceof ToolchainError) || error.code !== "no-way") throw error;
        console.log(`      skipped: ${error.message}`);
        this.skip();
      }
      stack = await program.open(lab, project.stack, plugin.env);
    });

    after(async () => {
      if (program === undefined) return;
      if (gone.length === 0) await operate(stack, "destroy");
      program.remove();
    });

    /** What may pass from the backend to the outside. */
    async function payments(): Promise<string> {
      const { pairs } = allowedIn(await liveObjects(lab), [home]);
      const found = [...pairs].filter(([pair]) => pair.startsWith(`${home}/`) && !pair.includes(`→ ${home}`));
      return found.map(([pair, traffic]) => `${pair}: ${traffic.toString()}`).join("\n");
    }

    it("the pack blocks a service in a namespace that nothing protects, in preview", async () => {
      opened(program).becomes(texts.unprotected);
      const blocked = await operate(stack, "preview", { policyPacks: [pack] });
      assert.ok(blocked.error !== undefined, "the preview ends well");
      const mandatory = violations(blocked).filter(({ level }) => level === "mandatory");
      assert.ok(
        mandatory.some(({ message }) => message.includes("namespace-default-deny: Namespace default is not closed")),
        said(blocked),
      );
    });

    const { undetermined, wrong } = texts;
    if (wrong !== undefined) {
      it("wrong arguments are told one line a problem, with their paths and without a stack trace", async () => {
        opened(program).becomes(...wrong);
        const refused = await operate(stack, "preview");
        opened(program).becomes();
        const lines = errorsOf(refused).join("\n");
        assert.match(lines, /^.*flows\[0\]\.to\.workload.*backnd.*Did you mean bookshop\/backend\?$/m, said(refused));
        assert.match(lines, /^.*flows\[1\]\.ports\[0\]\.port.*70000.*from 1 to 65535\.$/m);
        assert.doesNotMatch(said(refused), stackTrace);
        assert.deepEqual(
          [...registered(refused).keys()].filter((key) => key.includes("NetworkPolicy")),
          [],
        );
      });
    }

    if (undetermined !== undefined) {
      it("an output of a resource of the same update is unknown in the preview, and nothing else is", async () => {
        await stack.setConfig("payments", { value: "198.51.100.0/24" });
        opened(program).becomes(undetermined);
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
        assert.match(JSON.stringify(spec.egress), /04da6b54-80e4-46f7-96ec-b56ff0331ba9/, "the engine's unknown value");
        assert.match(JSON.stringify(spec.egress), /443/, "ports are known");
      });
    }

    it("an update under the pack makes the same objects of the same types as the TypeScript program", async () => {
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
    });

    it("a second update changes nothing", async () => {
      opened(program).becomes();
      const second = await operate(stack, "up");
      assert.equal(second.error, undefined, said(second));
      assert.deepEqual(
        finished(second).filter(({ op }) => op !== "same"),
        [],
      );
    });

    it("destroying takes workloads first and leaves nothing", async () => {
      const destroyed = await operate(stack, "destroy");
      assert.equal(destroyed.error, undefined, said(destroyed));
      gone.push(...finished(destroyed).flatMap(({ op, type }) => (op === "delete" ? [type] : [])));
      const last = gone.lastIndexOf("kubernetes:apps/v1:Deployment");
      assert.ok(last >= 0 && last < gone.indexOf("kubernetes:networking.k8s.io/v1:NetworkPolicy"));
      assert.deepEqual(
        (await liveObjects(lab)).filter(({ object }) => object.metadata?.namespace === home),
        [],
      );
    });
  }

  describe("YAML", () => {
    lifeOf(() => Promise.resolve(new LanguageProgram("yaml", "Pulumi.yaml")), {
      unprotected: ["name: backend, namespace: bookshop, labels", "name: backend, namespace: default, labels"],
      undetermined: [
        '"${partners.data.payments}"',
        '{ "fn::select": [0, ["${partners.data.payments}", "${partners.id}"]] }',
      ],
      wrong: [
        ["to: { workload: backend }", "to: { workload: backnd }"],
        ["ports: [{ port: 443 }]", "ports: [{ port: 70000 }]"],
      ],
    });
  });
});
