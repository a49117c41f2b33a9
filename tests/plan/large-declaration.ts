import type { ClusterSecurityDeclaration } from "../../sdk/plan/index";
import { cidr, flow, fqdn, namespace, tcp, workload } from "../../sdk/plan/index";

/** How many namespaces there are. */
export const homes = 500;
const perHome = 5;

/** 500 namespaces, half of them running already, with 2,500 workloads and 5,000 flows, within and between them. */
export const large: ClusterSecurityDeclaration = {
  cluster: { apiServer: { cidrs: ["10.96.0.1/32"] }, nodeCidrs: ["192.168.77.0/24"], podCidrs: ["10.244.0.0/16"] },
  namespaces: Array.from({ length: homes }, (_, home) => namespace(`ns${home}`, { existing: home % 2 === 0 })),
  workloads: Array.from({ length: homes * perHome }, (_, index) =>
    workload(`ns${index % homes}/w${Math.floor(index / homes)}`),
  ),
  flows: Array.from({ length: homes * 10 }, (_, index) => {
    const [home, step] = [index % homes, Math.floor(index / homes)];
    const inside = `ns${home}/w${(step + 1) % perHome}`;
    const elsewhere = `ns${(home + step) % homes}/w${(step + 2) % perHome}`;
    const to = step < 5 ? inside : elsewhere;
    const destination = step === 7 ? fqdn(`api${home}.example.com`) : step === 8 ? cidr("203.0.113.0/24") : to;
    return flow(`ns${home}/w${step % perHome}`)
      .to(destination)
      .on(tcp(8000 + step))
      .because("calls")
      .ownedBy("team");
  }),
};
