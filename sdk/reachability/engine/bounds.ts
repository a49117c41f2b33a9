/** The addresses and names that rules tell apart: of others all fare alike. */
import { metadataEndpoints } from "../model/metadata-endpoints";
import { plainTerms } from "../model/peer-terms";
import type { DnsPattern, PeerTerm } from "../model/rules";
import { AddressSet, type Address, type AddressRange } from "../model/sets/addresses";

const metadata = AddressSet.ofCidrs(...metadataEndpoints.map((endpoint) => endpoint.address));

/** The sets of addresses whose bounds matter to a term. @param apiServer The addresses of the API server. */
export function addressBounds(term: PeerTerm, apiServer: readonly Address[]): readonly AddressSet[] {
  return plainTerms(term).flatMap((each) => {
    switch (each.kind) {
      case "cidr":
        return [each.set];
      case "fqdn":
        return [metadata];
      case "entity":
      case "identities":
        return apiServer.length > 0 ? [AddressSet.of(...apiServer.map(asRange))] : [];
      default:
        return [];
    }
  });
}

/** The patterns of names that matter to a term. */
export function namePatterns(term: PeerTerm): readonly DnsPattern[] {
  return plainTerms(term).flatMap((each) => (each.kind === "fqdn" ? [each.pattern] : []));
}

function asRange(address: Address): AddressRange {
  return { family: address.family, from: address.value, to: address.value };
}
