import { strict as assert } from "node:assert";
import type { Command } from "commander";
import { checklist } from "../../sdk/audit/index";
import { createProgram } from "../../sdk/cli/program";
import { buildSnapshot, compile } from "../../sdk/reachability/index";
import { findTools, silentProgress } from "../../lab/toolchain/index";
import { run } from "../../lab/toolchain/run";
import { Dialect, flow, namespace, tcp, udp, workload } from "../../sdk/plan/index";
import { everything, everythingInAmbientMesh, everythingOnCalico, watched, watchedExamples } from "./declarations";

interface Line {
  readonly file: string;
  readonly words: readonly string[];
}

/** Every command in a block of shell, pipes taken apart. */
function commandsIn({ file, text }: { readonly file: string; readonly text: string }): Line[] {
  return [...text.matchAll(/^ *```sh\n([^]*?)^ *```$/gm)].flatMap(([, block = ""]) =>
    block
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "")
      .flatMap((line) => line.split(" | "))
      .map((line) => ({ file, words: line.replace(/ > \S+$/, "").split(/\s+/) })),
  );
}

/** Flags of a command of ours; undefined where it does not exist. */
function ownFlags(...names: readonly string[]): Set<string> | undefined {
  let command: Command | undefined = createProgram("0", { exitCode: 0 } as never);
  for (const name of names) {
    // what follows a command without commands is its argument
    if (command.commands.length === 0 || name.startsWith("-")) break;
    command = command.commands.find((each: Command) => each.name() === name);
    if (command === undefined) return undefined;
  }
  return new Set(command.options.flatMap(({ short, long }) => [short, long].filter((flag) => flag !== undefined)));
}

describe("monitoring: runbooks and procedures", () => {
  const texts = async (): Promise<Line[]> => {
    const all = [
      ...[everything, everythingOnCalico, everythingInAmbientMesh].map((declaration) => watched("x", declaration)),
      ...(await watchedExamples(Dialect.Cilium)),
    ];
    return all.flatMap(({ monitoring }) => monitoring.documents.flatMap(commandsIn));
  };

  it("S1-28 one for each alert: meaning, impact, three commands, confirm, mitigate, roll back", () => {
    for (const declaration of [everything, everythingOnCalico, everythingInAmbientMesh]) {
      const { monitoring } = watched("x", declaration);
      for (const { name } of monitoring.alerts) {
        const found = monitoring.documents.find(({ file }) => file === `runbooks/${name}.md`);
        assert.ok(found, name);
        for (const heading of ["Meaning", "Impact", "Look", "Confirm", "Mitigate", "Roll back"]) {
          assert.match(found.text, new RegExp(`^## ${heading}$`, "m"), `${name}: ${heading}`);
        }
        assert.ok(commandsIn(found).length >= 3, name);
        assert.doesNotMatch(found.text, /\$[a-z_]|undefined/, name);
      }
    }
  });

  it("S1-28 fills a declared flow in, and lists each flow by the id that alerts carry", () => {
    const { monitoring, plan } = watched("x", everything);
    const text = monitoring.documents.find(({ file }) => file === "runbooks/DeclaredFlowCut.md")?.text ?? "";
    for (const { id } of plan.flows) assert.ok(text.includes(id), id);
    assert.match(text, /hubble observe .*--from-namespace (shop|data|bank|lab) --to-namespace/);
    assert.match(text, /cluster-security explain \w+\/\w+ \w+\/\w+:\d+/);
  });

  it("S1-28 shows no declared flow where an alert is about ends that nobody declared, and the pods of the CNI that enforces", () => {
    const textOf = (declaration: typeof everything, name: string): string =>
      watched("x", declaration).monitoring.documents.find(({ file }) => file === `runbooks/${name}.md`)?.text ?? "";
    for (const name of ["ClosedWorkloadTried", "MetadataEndpointTried", "OtherTenantTried", "UndeclaredFlowDenied"]) {
      assert.doesNotMatch(textOf(everything, name), /\(flow |cluster-security explain/, name);
      assert.match(textOf(everything, name), /put in those that the alert names/, name);
    }
    assert.match(textOf(everything, "PolicyMetricsAbsent"), /k8s-app=cilium/);
    assert.doesNotMatch(textOf(everythingOnCalico, "PolicyMetricsAbsent"), /k8s-app=cilium/);
  });

  it("S2-20 S2-21 the procedures are there, with the owners and namespaces of the declaration", () => {
    const { monitoring } = watched("x", everything);
    const files = monitoring.documents.map(({ file }) => file);
    for (const file of ["incident-playbook.md", "emergency-procedure.md", "change-workflow.md", "user-guide.md"]) {
      assert.ok(files.includes(file), file);
    }
    const guide = monitoring.documents.find(({ file }) => file === "user-guide.md")?.text ?? "";
    assert.match(guide, /^\| data \| 2: .* \| data \|$/m);
  });

  it("S2-20 links lead to documents that exist, and what is shown is declared and there, under each enforcer", () => {
    for (const declaration of [everything, everythingOnCalico, everythingInAmbientMesh]) {
      const { monitoring } = watched("x", declaration);
      const files = monitoring.documents.map(({ file }) => file);
      for (const { file, text } of monitoring.documents) {
        for (const [, target = ""] of text.matchAll(/\]\(((?:runbooks\/)?[A-Za-z-]+\.md)\)/g)) {
          const place = file.startsWith("runbooks/") ? `runbooks/${target}` : target;
          assert.ok(files.includes(place), `${file}: ${target}`);
        }
        // Calico has no Hubble
        if (declaration === everythingOnCalico) assert.doesNotMatch(text, /\bhubble\b/, file);
      }
      const guide = monitoring.documents.find(({ file }) => file === "user-guide.md")?.text ?? "";
      assert.match(guide, /cluster-security explain shop\/\w+ (?:shop|data)\/\w+:\d+ /);
    }
    const other = {
      ...everything,
      namespaces: [namespace("crm"), namespace("edge")],
      workloads: [workload("crm/front"), workload("edge/resolver")],
      flows: [flow("front").to("resolver").on(udp(53)).because("a | b\nc").ownedBy("Team | EU")],
      tenants: [],
      bypasses: [],
      breakGlass: [],
    };
    const { monitoring } = watched("x", other);
    const textOf = (name: string): string => monitoring.documents.find(({ file }) => file === name)?.text ?? "";
    assert.match(textOf("user-guide.md"), /explain crm\/front edge\/resolver:53 /);
    assert.match(textOf("user-guide.md"), /flow\("crm\/front"\)\.to\("edge\/resolver"\)\.on\(udp\(53\)\)/);
    assert.match(textOf("runbooks/DeclaredFlowCut.md"), /\| UDP 53 \| Team \\\| EU \| a \\\| b c \|$/m);
  });

  it("S2-15 a flow that another tenant was granted makes nobody the owner of a namespace", () => {
    const granted = flow("front").to("ledger").on(tcp(7000)).because("refunds").ownedBy("CRM");
    const { monitoring } = watched("x", {
      dialect: Dialect.Cilium,
      namespaces: [namespace("crm"), namespace("pay"), namespace("edge")],
      workloads: [workload("crm/front", { serviceAccount: "front" }), workload("edge/gate"), workload("pay/ledger")],
      flows: [flow("gate").to("ledger").on(tcp(8443)).because("payments").ownedBy("Payments")],
      tenants: [
        { name: "crm", namespaces: ["crm"] },
        { name: "pay", namespaces: ["pay", "edge"], exceptions: [{ flow: granted, expires: "2100-01-01" }] },
      ],
    });
    assert.equal(monitoring.owners.get("pay"), "Payments");
  });

  it("S3-30 the runbook has the fourteen questions of the checklist, a command for each, and passes its last one", () => {
    const bare = buildSnapshot([]);
    const questions = checklist({ objects: [], reachability: compile(bare) });
    for (const declaration of [everything, everythingOnCalico]) {
      const { monitoring, plan } = watched("x", declaration);
      const text = monitoring.documents.find(({ file }) => file === "policy-verification.md")?.text ?? "";
      const rows = [...text.matchAll(/^\| (\d+) \| (.+) \| `(.+)` \|$/gm)];
      assert.deepEqual(
        rows.map(([, number]) => Number(number)),
        questions.map(({ number }) => number),
      );
      for (const [index, [, , question = "", command = ""]] of rows.entries()) {
        const words = (questions[index]?.question ?? "").split(/[, (]/).slice(0, 3).join(" ");
        assert.ok(question.startsWith(words), `${question}: ${words}`);
        const [program, ...names] = command.split(" ");
        if (program !== "cluster-security") continue;
        const flags = ownFlags(...names);
        assert.ok(flags, command);
        for (const word of names.filter((each) => /^-/.test(each))) assert.ok(flags.has(word), `${command}: ${word}`);
      }
      for (const name of plan.exemptNamespaces) assert.ok(text.includes(`\`${name}\``), name);
      const answered = checklist({ objects: [], reachability: compile(bare), runbook: text });
      assert.deepEqual([answered.at(-1)?.state, questions.at(-1)?.state], ["pass", "open"]);
    }
  });

  it("S1-28 S2-20 name no command or flag of this package that does not exist", async () => {
    for (const { file, words } of await texts()) {
      const [program, ...names] = words;
      if (program !== "cluster-security") continue;
      const flags = ownFlags(...names);
      assert.ok(flags, `${file}: ${words.join(" ")}`);
      for (const word of words.filter((each) => each.startsWith("-") && each !== "-")) {
        assert.ok(flags.has(word.split("=")[0] ?? ""), `${file}: ${words.join(" ")}: ${word}`);
      }
    }
    assert.equal(ownFlags("explainn"), undefined);
    assert.equal(ownFlags("bypass", "shut"), undefined);
    assert.equal(ownFlags("explain")?.has("--contexxt"), false);
  });

  it("S1-28 S2-20 name no command or flag of kubectl, hubble and pulumi that does not exist", async function () {
    this.timeout(120_000);
    const tools = await findTools(["kubectl", "hubble", "pulumi"], { progress: silentProgress });
    const helps = new Map<string, string>();
    const helpOf = async (file: string, words: readonly string[]): Promise<string> => {
      const key = words.join(" ");
      const known = helps.get(key);
      if (known !== undefined) return known;
      const { code, stdout, stderr } = await run(file, [...words.slice(1), "--help"], {
        env: { ...process.env, PULUMI_SKIP_UPDATE_CHECK: "true" },
      });
      assert.equal(code, 0, `${key}: ${stderr}`);
      // what is unknown to kubectl prints the general help: a subcommand names itself in its usage
      assert.match(stdout, new RegExp(`${words.slice(0, 2).join(" ")}\\b`), key);
      helps.set(key, stdout);
      return stdout;
    };
    let seen = 0;
    for (const { file, words } of await texts()) {
      const [program = "", verb = "", third = ""] = words;
      const tool = tools[program as keyof typeof tools];
      if (tool === undefined) {
        assert.match(program, /^(cluster-security|kubectl|hubble|pulumi)$/, `${file}: ${words.join(" ")}`);
        continue;
      }
      const nested =
        (program === "pulumi" && verb === "stack") || verb === "top" ? [program, verb, third] : [program, verb];
      const help = await helpOf(tool.path, nested);
      const common = program === "kubectl" ? ["-n", "--namespace", "--context"] : [];
      for (const word of words.filter((each) => each.startsWith("-"))) {
        const flag = word.split("=")[0] ?? "";
        assert.ok(
          common.includes(flag) || new RegExp(`(^|[\\s,])${flag}\\b`, "m").test(help),
          `${file}: ${words.join(" ")}: ${flag}`,
        );
        seen += 1;
      }
    }
    if (Object.keys(tools).length === 0) this.skip();
    assert.ok(seen > 0);
  });
});
