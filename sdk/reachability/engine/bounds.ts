/** The addresses and names that rules tell apart: of others all fare alike. */
import { metadataEndpoints } from "../model/metadata-endpoints";
import type { DnsPattern, PeerTerm } from "../model/rules";
import { AddressSet, type Address, type AddressRange } from "../model/sets/addresses";

const metadata = AddressSet.ofCidrs(...metadataEndpoints.map((endpoint) => endpoint.address));

/** The sets of addresses whose bounds matter to a term. @param apiServer The addresses of the API server. */
export function addressBounds(term: PeerTerm, apiServer: readonly Address[]): readonly AddressSet[] {
  switch (term.kind) {
    case "cidr":
      return [term.set];
    case "fqdn":
      return [metadata];
    case "entity":
    case "identities":
      return apiServer.length > 0 ? [AddressSet.of(...apiServer.map(asRange))] : [];
    case "and":
    case "or":
      return term.of.flatMap((each) => addressBounds(each, apiServer));
    case "not":
      return addressBounds(term.of, apiServer);
    default:
      return [];
  }
}

/** The patterns of names that matter to a term. */
export function namePatterns(term: PeerTerm): readonly DnsPattern[] {
  switch (term.kind) {
    case "fqdn":
      return [term.pattern];
    case "and":
    case "or":
      return term.of.flatMap(namePatterns);
    case "not":
      return namePatterns(term.of);
    default:
      return [];
  }
}

function asRange(address: Address): AddressRange {
  return { family: address.family, from: address.value, to: address.value };
}
