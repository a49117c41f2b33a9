/** Whom the ends of planned flows stand for. */
import type { Address } from "../reachability";
import { parseAddress, parseCidr } from "../reachability";
import { internetRanges } from "./addresses";
import { Entity } from "./declaration";
import type { PlannedPeer } from "./documents";

/** Whether an address is among those of a peer: a range without its exceptions, or the public internet. */
export function holdsAddress(peer: PlannedPeer, address: string): boolean {
  const point = parseAddress(address);
  const isInternet = peer.kind === "entity" && peer.entity === Entity.Internet;
  const ranges = isInternet ? internetRanges : peer.kind === "cidr" ? [peer] : [];
  return (
    point !== undefined &&
    ranges.some(({ cidr, except }) => within(cidr, point) && !except.some((one) => within(one, point)))
  );
}

function within(cidr: string, point: Address): boolean {
  const range = parseCidr(cidr);
  return range?.family === point.family && range.from <= point.value && point.value <= range.to;
}
