import type { PropertyPath } from "../../property-path";
import { kubeDns, nodeLocalDnsAddress, openShiftDns } from "../../reachability";
import { cidrProblem } from "../addresses";
import { DnsProvider } from "../declaration";
import { standIns } from "../deferred";
import type { ProblemCollector } from "../errors";
import type { ModelDns } from "../model";
import type { Reader } from "../reader";
import { readLabels, readNamespaceName } from "./namespaces";

const providers: Readonly<Record<DnsProvider, ModelDns>> = {
  [DnsProvider.KubeDns]: kubeDns,
  [DnsProvider.NodeLocalDns]: { ...kubeDns, nodeLocalCache: nodeLocalDnsAddress },
  [DnsProvider.OpenShift]: openShiftDns,
};

/** Reads where the cluster's DNS is: a provider's facts, and what differs from them. */
export function readDns(reader: Reader, problems: ProblemCollector, value: unknown): ModelDns {
  const path = ["cluster", "dns"];
  const known = ["provider", "namespace", "labels", "port", "nodeLocalCache", "serviceAddress"];
  const fields = reader.fields(path, value, known) ?? {};
  const base = providers[reader.choice([...path, "provider"], fields["provider"], DnsProvider) ?? DnsProvider.KubeDns];
  const namespace =
    fields["namespace"] === undefined
      ? undefined
      : readNamespaceName(reader, problems, [...path, "namespace"], fields["namespace"]);
  const labels = readLabels(reader, problems, [...path, "labels"], fields["labels"]);
  if (labels !== undefined && Object.keys(labels).length === 0) {
    const fix = "Give the labels of the DNS pods, such as k8s-app: kube-dns.";
    problems.add([...path, "labels"], labels, "selects every pod of the namespace", fix);
  }
  const port = fields["port"] === undefined ? undefined : reader.portNumber([...path, "port"], fields["port"]);
  const nodeLocalCache =
    readAddress(reader, problems, [...path, "nodeLocalCache"], fields["nodeLocalCache"]) ?? base.nodeLocalCache;
  const serviceAddress = readAddress(reader, problems, [...path, "serviceAddress"], fields["serviceAddress"]);
  if (serviceAddress !== undefined && nodeLocalCache === undefined) {
    const fix = "Leave it out: without a cache on the node, policies see the DNS pods behind the Service.";
    problems.add([...path, "serviceAddress"], serviceAddress, "is for NodeLocal DNSCache only", fix);
  }
  return {
    namespace: namespace ?? base.namespace,
    labels: labels ?? base.labels,
    port: port ?? base.port,
    ...(nodeLocalCache === undefined ? {} : { nodeLocalCache }),
    ...(serviceAddress === undefined ? {} : { serviceAddress }),
  };
}

function readAddress(
  reader: Reader,
  problems: ProblemCollector,
  path: PropertyPath,
  value: unknown,
): string | undefined {
  const address = reader.optionalLeaf(path, value, standIns.address);
  if (address === undefined) return undefined;
  if (cidrProblem(address.includes(":") ? `${address}/128` : `${address}/32`) === undefined) return address;
  problems.add(path, address, "is not an address", "Give an address such as 169.254.20.10.");
  return undefined;
}
