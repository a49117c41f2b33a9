/** Whom the peers of planned flows stand for. */
import { isInRange, parseAddress, parseCidr } from "../reachability";
import { internetRanges } from "./addresses";
import { Entity } from "./declaration";
import type { PlannedPeer } from "./documents";

/** Whether an address is among those of a peer: a range without its exceptions, or the public internet. */
export function holdsAddress(peer: PlannedPeer, address: string): boolean {
  const point = parseAddress(address);
  if (point === undefined) return false;
  const isInternet = peer.kind === "entity" && peer.entity === Entity.Internet;
  const ranges = isInternet ? internetRanges : peer.kind === "cidr" ? [peer] : [];
  const isWithin = (cidr: string): boolean => {
    const range = parseCidr(cidr);
    return range !== undefined && isInRange(point, range);
  };
  return ranges.some(({ cidr, except }) => isWithin(cidr) && !except.some(isWithin));
}
