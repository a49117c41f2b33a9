import { controls } from "../controls";
import type { RuleText } from "../types";

/**
 * Slips in runbooks, scripts and reports about network policies: commands that do not exist or prove nothing, and claims
 * that nobody measured. Each was found in a document that people work by (seed defects); the objects themselves are judged
 * by the rules.
 */
export interface Slip {
  /** What is wrong, as the message of a finding. */
  readonly message: string;
  /** Why. */
  readonly because: string;
  /** The right form. */
  readonly fix: string;
  /** Named once for a document, at its first line. Default: at every line. */
  readonly once?: true;
  /** Whether a line has the slip. */
  found(line: string, context: LineContext): boolean;
}

/** What stands around a line. */
export interface LineContext {
  /** The nearest comment above, at most three lines away: what a command is to show. */
  readonly comment: string;
  /** The whole document. */
  readonly text: string;
}

/** Texts about policies say what is so. */
export const documentSlip: RuleText = {
  id: "document-slip",
  title: "Runbooks and reports say what is so",
  severity: "low",
  why: "In an incident people do what the runbook says; a command that does not exist or proves nothing costs the time that there is not.",
  description:
    "A runbook, script or report about network policies holds no command that the tools do not have, no test that passes " +
    "whatever the policies say, and no claim that is not measured.",
  remediation: "Write the form that the finding names.",
  controls: [controls.pciRuleSets, controls.nistChangeControl],
};

/** Every slip, in the order of the documents they were found in. */
export const slips: readonly Slip[] = [
  {
    message: "An annotation is used that no enforcer reads",
    because: "neither Calico nor Cilium reads projectcalico.org/policy-action or policy.cilium.io/enforce",
    fix: "Log with a rule of action Log or with flow logs; bypass with an exempt label in every deny policy's selector and an end.",
    found: (line) => /projectcalico\.org\/policy-action|policy\.cilium\.io\/enforce\b/.test(line),
  },
  {
    message: "A test pod is started that exits at once, or that has no labels to be allowed by",
    because:
      "an image such as busybox without a command ends immediately, and a pod without the caller's labels is denied by design",
    fix: "Use `kubectl run probe --image=<image> --labels app=<caller> --restart=Never -- sleep 3600`, once with an allowed and once with a denied identity.",
    found: (line) =>
      /kubectl\s+run\s/.test(line) &&
      /busybox|alpine/.test(line) &&
      !/--labels|-l\s/.test(line) &&
      !/\s--\s+\S/.test(line),
  },
  {
    message: "The text was read in the wrong encoding",
    because: "sequences such as `Ã¢` or `ðŸ` are UTF-8 that was read as Latin-1",
    fix: "Read and save the document as UTF-8.",
    once: true,
    found: (line) => /ðŸ|â[œ€]|Ã[¢¤¶¼©]/.test(line),
  },
  {
    message: "The checklist names what no object in the document implements",
    because:
      "the list has items for replication, health checks, logs or traces, and the document's objects have no rule for them",
    fix: "Declare a flow for each item, and generate the policies and the list from the flows.",
    found: (line, { text }) => {
      const item =
        /^\s*-\s*\[[ x]\]\s*(?:Allow|Create|Configure)\s.*\b(replication|health checks?|log shipping|trace collection|cache invalidation)\b/i.exec(
          line,
        );
      return item !== null && /```ya?ml/.test(text) && !objectsOf(text).some((block) => mentions(block, item[1] ?? ""));
    },
  },
  {
    message: "The connectivity test is run without an exemption for its namespaces",
    because:
      "under a default deny the test's own namespaces (cilium-test*) are closed, so its first scenarios fail whatever the policies are",
    fix: "Exempt cilium-test and cilium-test-ccnp namespaces during the run, and say which scenarios were left out.",
    found: (line, { text }) =>
      /cilium\s+connectivity\s+test\b/.test(line) && /default[- ]deny/i.test(text) && !/cilium-test/.test(text),
  },
  {
    message: "A test of traffic between namespaces stays inside one",
    because: "the client runs in the namespace whose service it calls",
    fix: "Call a service of another namespace.",
    found: (line, { comment }) => {
      const match = /kubectl\s+exec\s.*-n\s+([a-z0-9-]+)\s.*?(?:https?:\/\/)[a-z0-9-]+\.([a-z0-9-]+)[:/\s.]/.exec(line);
      return match !== null && match[1] === match[2] && /cross-namespace|other namespace/i.test(comment + line);
    },
  },
  {
    message: "Suspending reconciliation is taken for switching enforcement off",
    because:
      "flux suspend stops changes; the policies that stand go on being enforced, and a manual deletion is no longer repaired",
    fix: "Suspend, then delete the deny policy; or switch the enforcer to audit mode for a stated time.",
    found: (line) => /flux\s+suspend\s/.test(line) && !/then|after|delete/i.test(line),
  },
  {
    message: "A command is used that this tool does not have",
    because:
      "cilium on a workstation has no `policy get` and no `endpoint list`; they belong to cilium-dbg inside the agent",
    fix: "Use `kubectl -n kube-system exec ds/cilium -- cilium-dbg endpoint list`, and `kubectl get cnp,ccnp -A` for the condition Valid.",
    found: (line) => /(^|[\s`$])cilium\s+(policy\s+get|endpoint\s+list|bpf|identity\s+list)\b/.test(line),
  },
  {
    message: "The agent is looked for in a namespace that Cilium is not installed in by default",
    because: "the chart installs the DaemonSet cilium into kube-system unless it is told otherwise",
    fix: "Use -n kube-system, or a variable that holds the namespace of the installation.",
    found: (line) => /kubectl\s+exec\b.*-n\s+cilium\b.*\bds\/cilium\b/.test(line),
  },
  {
    message: "The enforcement mode never is described as one for single endpoints",
    because: "`never` switches policies off on all endpoints of the agent",
    fix: "Say that `never` disables enforcement everywhere, and use a time-limited bypass label for single pods.",
    found: (line) => /never\b.*\b(disabled|off)\b.*\b(selected|specific|certain)\s+(endpoints|pods)/i.test(line),
  },
  {
    message: "A lookup by a short dotted name is taken for a test of DNS",
    because:
      "nslookup of recent busybox images does not use the search domains for names with a dot, so it fails with working DNS",
    fix: "Look up kubernetes.default.svc.cluster.local.",
    found: (line) => /nslookup\s+kubernetes\.default(\s|$|`|\))/.test(line),
  },
  {
    message: "A test names one service and asks another",
    because: "the connection goes to the pooler, so it passes without the database being reachable",
    fix: "Probe both: the pooler from its clients, and the database from the pooler.",
    found: (line, { comment }) =>
      /postgres/i.test(comment) && /\bnc\s|\bpsql\s/.test(line) && /pooler|pgbouncer/i.test(line),
  },
  {
    message: "A backup is taken of what the API server adds, of one kind and one namespace",
    because: "`get -o yaml` keeps uid, resourceVersion and status, and leaves out every other kind of policy",
    fix: "Export all kinds (networkpolicies, cnp, ccnp, Calico's, Istio's) of all namespaces without server fields, and test the restore.",
    found: (line) =>
      /kubectl\s+get\s+(networkpolicies|netpol|cnp)\b.*-o\s+yaml\s*>/.test(line) && !/-A\b|--all-namespaces/.test(line),
  },
  {
    message: "A cost is stated that nobody measured",
    because: "a figure for latency or memory stands without a measurement or the method",
    fix: "Measure it, and print the method beside the figure.",
    found: (line, { text }) =>
      /(latency|memory|throughput|overhead)\W.*(<\s*\d|~\s*\d|\d\s*-\s*\d)\s*\S*\s*(ms|mb|%|µs)/i.test(line) &&
      !/\bmeasured (in|with|by|on|over)\b|\bbenchmark/i.test(text),
  },
  {
    message: "A report says that the work is complete while its review is open",
    because: "the status is complete, and the reviewer is still to come",
    fix: "Generate the list of scenarios from the flows, run it with both signs, and set the status from the result.",
    found: (line, { text }) => /status\W.*\bcomplete\b/i.test(line) && /review(ed by)?\W.*\bpending\b/i.test(text),
  },
];

/** The fenced YAML blocks of a document. */
function objectsOf(text: string): string[] {
  return [...text.matchAll(/```ya?ml\n([\s\S]*?)```/g)].map((match) => match[1] ?? "");
}

/** Whether a block speaks of an item of a checklist, in a name or a comment. */
function mentions(block: string, item: string): boolean {
  const words = item.toLowerCase().split(/\s+/);
  return words.some((word) => block.toLowerCase().includes(word.replace(/s$/, "")));
}
