import { openLab } from "../../lab/index";
import { installProvider } from "../../lab/provider/install";
import * as automation from "@pulumi/pulumi/automation";
import * as k8s from "@pulumi/kubernetes";
async function main() {
  const lab = await openLab({ dataDir: "/tmp/provider-work/lab", fresh: true, ownProvider: true });
  try {
    console.log(installProvider(lab.env["PULUMI_HOME"] as string));
    let round = 0;
    const program = async () => {
      const ns = new k8s.core.v1.Namespace("shop", { metadata: { name: "shop" } });
      new k8s.networking.v1.NetworkPolicy("deny", { metadata: { name: "deny", namespace: "shop" }, spec: { podSelector: {}, policyTypes: round === 0 ? ["Ingress"] : ["Ingress", "Egress"], ingress: round === 0 ? [{ ports: [{ port: 80 }] }] : undefined } }, { dependsOn: [ns] });
      new k8s.core.v1.ConfigMap("auto", { metadata: { namespace: "shop" }, data: { a: "1" } }, { dependsOn: [ns] });
      new k8s.core.v1.Secret("sec", { metadata: { namespace: "shop", name: "sec" }, stringData: { a: "hush" } }, { dependsOn: [ns] });
      new k8s.apps.v1.Deployment("web", { metadata: { namespace: "shop", name: "web" }, spec: { selector: { matchLabels: { app: "web" } }, template: { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "c", image: "x", resources: { requests: { cpu: "1000m" } }, ports: [{ containerPort: 80 }] }] } } } }, { dependsOn: [ns] });
      return { name: ns.metadata.name, uid: ns.metadata.uid };
    };
    const stack = await automation.LocalWorkspace.createOrSelectStack({ stackName: "dev", projectName: "p", program }, { envVars: { ...lab.env }, pulumiCommand: await automation.PulumiCommand.get({ root: lab.engine.root }) });
    const out = { onOutput: (t: string) => process.stdout.write(t) };
    await stack.preview(out);
    await stack.up(out);
    const st = await stack.exportStack(); console.log('STATE', JSON.stringify((st.deployment.resources as any[]).find((r) => r.type.endsWith(':Namespace')), null, 1));
    await stack.up(out);
    await stack.refresh(out);
    round = 1;
    await stack.preview({ ...out, diff: true });
    await stack.up(out);
    await stack.up(out);
    await stack.destroy(out);
  } finally { await lab.close(); }
}
main().catch((e) => { console.error(e); process.exit(1); });
