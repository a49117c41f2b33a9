/**
 * What rendering 300 workloads and 900 flows for Flux costs, the proof of its order included, in a process of its own: prints
 * one line of JSON. CPU time, and how often the plan alone would fit into it: planning grows with the same declaration.
 */
import { imaginedCluster, plan } from "../../sdk/plan";
import { cidr, flow, fqdn, namespace, tcp, workload } from "../../sdk/plan";
import type { ClusterSecurityDeclaration } from "../../sdk/plan";
import { defaultSettings, proveOrder, render } from "../../sdk/render";

const homes = 30;
const perHome = 10;

/** 30 namespaces, half of them running already, with ten workloads each; three flows from every workload. */
const declaration: ClusterSecurityDeclaration = {
  cluster: { apiServer: { cidrs: ["10.96.0.1/32"] }, nodeCidrs: ["192.168.77.0/24"], podCidrs: ["10.244.0.0/16"] },
  namespaces: Array.from({ length: homes }, (_, home) => namespace(`ns${home}`, { existing: home % 2 === 0 })),
  workloads: Array.from({ length: homes * perHome }, (_, index) =>
    workload(`ns${index % homes}/w${Math.floor(index / homes)}`),
  ),
  flows: Array.from({ length: homes * perHome * 3 }, (_, index) => {
    const [home, step] = [index % homes, Math.floor(index / homes)];
    const own = Math.floor(step / 3);
    const elsewhere = `ns${(home + 1 + own) % homes}/w${(own + 2) % perHome}`;
    const outside = own % 3 === 0 ? fqdn(`api${home}.example.com`) : own % 3 === 1 ? cidr("203.0.113.0/24") : elsewhere;
    return flow(`ns${home}/w${own}`)
      .to([`ns${home}/w${(own + 1) % perHome}`, elsewhere, outside][step % 3] ?? elsewhere)
      .on(tcp(8000 + (step % 3)))
      .because("calls")
      .ownedBy("team");
  }),
};

const seconds = (work: () => void): number => {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
};

// once to warm up: what is compared is the work, not the compiler's
plan(declaration);
const planning = seconds(() => plan(declaration));
let policies = 0;
let found = 0;
const rendering = seconds(() => {
  const planned = plan(declaration);
  const tree = render(planned, "flux", defaultSettings);
  policies = tree.objects.length;
  found = proveOrder(imaginedCluster(declaration), planned, [], tree.steps).found.length;
});
process.stdout.write(
  `${JSON.stringify({ seconds: rendering, ratio: rendering / planning, policies, found, maxRssMb: Math.round(process.resourceUsage().maxRSS / 1024) })}\n`,
);
