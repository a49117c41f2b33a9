import { openTestLab } from "./support";
import * as k8s from "@pulumi/kubernetes";
const text = [
      "apiVersion: v1\nkind: Namespace\nmetadata: { name: yaml }",
      "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: { name: a, namespace: yaml }\n  data: { mode: '0644' }",
      "apiVersion: v1\nkind: Secret\nmetadata: { name: s, namespace: yaml }\nstringData: { key: very-hidden }",
    ].join("\n---\n");
async function main() {
  const lab = await openTestLab();
  const iv = setInterval(() => console.log("tick"), 5000);
  try {
    const stack = await lab.stack("x");
    const prog = async () => {
      const g = new k8s.yaml.v2.ConfigGroup("group", { yaml: text });
      return { count: g.resources.apply((l) => l.length) };
    };
    const r = await stack.up(prog); console.log("UP", r.failed, r.output);
    const r2 = await stack.up(prog); console.log("UP2", r2.failed, r2.output);
    const r3 = await stack.destroy(); console.log("D", r3.failed, r3.output);
  } finally { clearInterval(iv); await lab.close(); }
}
main().catch((e) => { console.error(e); process.exit(1); });
