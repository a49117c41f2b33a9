/** Services, for rules that name them. */
import type { PeerTerm } from "../model/rules";
import type { ServiceEntry } from "../model/services";
import { all, evaluate, test, type Condition } from "../model/selectors/conditions";
import { labelOf } from "../model/selectors/labels";
import { AddressSet, parseAddress } from "../model/sets/addresses";
import { NO } from "../model/unknown";

/** The Services of a snapshot. */
export class ServiceTable {
  readonly #entries = new Map<string, ServiceEntry>();

  constructor(entries: Iterable<ServiceEntry>) {
    for (const entry of entries) this.#entries.set(`${entry.namespace}/${entry.name}`, entry);
  }

  find(namespace: string, name: string): ServiceEntry | undefined {
    return this.#entries.get(`${namespace}/${name}`);
  }

  /** Services of a name, in one namespace or in all. */
  named(namespace: string | undefined, name: string): ServiceEntry[] {
    return [...this.#entries.values()].filter(
      (entry) => entry.name === name && (namespace === undefined || entry.namespace === namespace),
    );
  }

  all(): Iterable<ServiceEntry> {
    return this.#entries.values();
  }

  /** Services whose own labels fit, in one namespace or in all. */
  select(namespace: string | undefined, labels: Condition): ServiceEntry[] {
    return [...this.#entries.values()].filter(
      (entry) =>
        (namespace === undefined || entry.namespace === namespace) &&
        evaluate(labels, (_field, key) => labelOf(entry.labelSet, key)) !== NO,
    );
  }
}

/** The peers behind a Service: the pods it selects, or the addresses its endpoints list; anybody where that is not known. */
export function serviceTerm(service: ServiceEntry): PeerTerm {
  if (!service.readable) return { kind: "uncertain" };
  if (service.selector !== undefined) {
    const labels = Object.entries(service.selector).map(([key, value]) => test("label", key, "in", value));
    return { kind: "pods", where: all(test("namespace", "", "in", service.namespace), ...labels) };
  }
  const addresses = service.endpoints.flatMap((text) => {
    const address = parseAddress(text);
    return address === undefined ? [] : [{ family: address.family, from: address.value, to: address.value }];
  });
  return { kind: "cidr", set: AddressSet.of(...addresses) };
}
