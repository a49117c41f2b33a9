/** How ends of a flow are written, for the help texts. */
export const endsHelp = `How to write the two ends:
  shop/frontend                 a workload: namespace/name, or namespace/name[Kind]
  frontend                      the same, where only one namespace has it
  new@shop                      a new pod in namespace shop
  new@shop/builder,app=web      the same, with a service account and labels
  203.0.113.7, 2001:db8::1      an address outside the cluster ([2001:db8::1]:443 with a port)
  api.example.com               a name outside the cluster
  node, node@10.0.0.5           another node than the pod's own; local-node is its own
  kube-apiserver                the Kubernetes API server
The destination takes a port: shop/postgres:5432, shop/dns:53/udp, shop/web:http (by name), shop/web:icmp.
It is the port of the pod, behind any Service. Without a port the question is whether anything may pass.`;
