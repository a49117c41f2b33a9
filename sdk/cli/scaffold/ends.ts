/** Ends of a new service's flows, as the command line names them. */
import type { PeerDeclaration, PortDeclaration } from "../../plan";
import { Entity, Protocol } from "../../plan";
import { didYouMean, nearest, usageError } from "../errors";

const protocols = new Map(Object.values(Protocol).map((protocol) => [protocol.toLowerCase(), protocol]));
const entities = new Set<string>(Object.values(Entity));

/** `8080`, `53/udp`, `http=8080`. @throws CliError for anything else */
export function readPort(text: string): PortDeclaration {
  const [, name, digits, protocol] = /^(?:([a-z][a-z0-9-]*)=)?(\d{1,5})(?:\/([a-z]+))?$/i.exec(text) ?? [];
  const known = protocols.get((protocol ?? "tcp").toLowerCase());
  const port = Number(digits);
  if (digits === undefined || known === undefined || port < 1 || port > 65_535) {
    throw usageError(`"${text}" is no port. Write 8080, 53/udp or http=8080.`);
  }
  return {
    port,
    ...(protocol === undefined || known === Protocol.TCP ? {} : { protocol: known }),
    ...(name === undefined ? {} : { name }),
  };
}

/** `shop/frontend`, `namespace:shop`, `cidr:10.0.0.0/8`, `fqdn:api.example.com`, `entity:ingress`. @throws CliError for anything else */
export function readPeer(text: string): PeerDeclaration {
  const [, kind, rest] = /^(namespace|cidr|fqdn|entity):(.+)$/.exec(text) ?? [];
  if (kind === undefined || rest === undefined) {
    if (/^[a-z0-9-]+\/[a-z0-9.-]+$/.test(text)) return { workload: text };
    throw usageError(`"${text}" is no end of a flow. Write ${forms}.`);
  }
  if (kind !== "entity") return { [kind]: rest };
  if (!entities.has(rest)) {
    throw usageError(
      `"${rest}" is no entity.${didYouMean(nearest(rest, entities)) || ` There are ${[...entities].join(", ")}.`}`,
    );
  }
  return { entity: rest as Entity };
}

/** The same with a port behind it: `shop/postgres:5432`, `fqdn:api.example.com:443`. @throws CliError where there is none */
export function readPeerWithPort(text: string): { readonly peer: PeerDeclaration; readonly port: PortDeclaration } {
  const colon = text.lastIndexOf(":");
  const port = text.slice(colon + 1);
  if (colon <= 0 || !/^\d+(\/[a-z]+)?$/i.test(port)) {
    throw usageError(`"${text}" names no port. Write it behind a colon: shop/postgres:5432, fqdn:api.example.com:443.`);
  }
  return { peer: readPeer(text.slice(0, colon)), port: readPort(port) };
}

const forms = "namespace/workload, namespace:NAME, cidr:RANGE, fqdn:NAME or entity:NAME";
