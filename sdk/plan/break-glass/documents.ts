/** Break glass: who may open bypasses in an emergency, and what keeps them from opening more, or for longer. */
import { meshWriter, networkWriters } from "../apis/registry";
import type { BypassPolicy } from "../apis/writer";
import { timerLabel } from "../bypass-label";
import type { DraftDocument, PlannedBreakGlass } from "../documents";
import { describePeer } from "../halves";
import { labelGuard } from "../label-guard";
import type { Model, ModelBypass } from "../model";
import { homeOfBypass } from "../resolve/bypasses";
import type { Grant, GrantedPolicy, NamespaceGrants } from "./grants";
import { labelsOfSubject, timerPlaceholder } from "./grants";
import { guardOfBypasses, guardOfTimers } from "./guards";

/** The admission policies of the grants: three for each namespace that a grant is about. They open nothing. */
export function breakGlassDocuments(model: Model): readonly DraftDocument[] {
  return grantsIn(model).flatMap((grants) => {
    const { namespace } = grants;
    const groups = [...new Set(grants.grants.flatMap((grant) => grant.groups))].sort();
    const editors = model.tenants
      .filter((tenant) => tenant.namespaces.includes(namespace))
      .flatMap((tenant) => tenant.policyEditors);
    return [
      ...guardOfBypasses(grants, editors),
      ...guardOfTimers(grants),
      ...labelGuard(`protect-break-glass-label-in-${namespace}`, namespace, timerLabel, groups),
    ];
  });
}

/** The register of grants. */
export function breakGlassOf(model: Model): readonly PlannedBreakGlass[] {
  return model.breakGlass.map(({ name, grantedTo, subjects, maxSeconds, reason, owner }) => ({
    name,
    of: subjects.map(describePeer),
    grantedTo,
    maxSeconds,
    reason,
    owner,
  }));
}

/** What is granted in each namespace, by its name. */
function grantsIn(model: Model): readonly NamespaceGrants[] {
  const homes = new Set(
    model.breakGlass.flatMap(({ subjects }) => subjects.map((subject) => homeOfBypass({ subject }))),
  );
  return [...homes].sort().map((namespace) => ({
    namespace,
    grants: model.breakGlass.flatMap(({ name, grantedTo, subjects, maxSeconds, reason, owner }): Grant[] => {
      const own = subjects.filter((subject) => homeOfBypass({ subject }) === namespace);
      if (own.length === 0) return [];
      const granted = own.map((subject) => ({
        ...(subject.kind === "workload" ? { workload: subject.workload.name } : {}),
        labels: labelsOfSubject(subject),
        policies: policiesOf(model, subject),
      }));
      return [{ name, groups: grantedTo, maxSeconds, reason, owner, subjects: granted }];
    }),
  }));
}

/** What lifts the policies of pods with the timer's label, in the network and in the mesh. */
function policiesOf(model: Model, subject: ModelBypass["subject"]): readonly GrantedPolicy[] {
  const request = { subject, label: [timerLabel, timerPlaceholder] } as const;
  const isInMesh = model.mesh?.namespaces.includes(homeOfBypass({ subject })) === true;
  const policies: readonly BypassPolicy[] = [
    networkWriters[model.dialect].bypass(model, request),
    ...(isInMesh ? [meshWriter.bypass(model, request)] : []),
  ];
  return policies.map(({ isolates: _, ...policy }) => policy);
}
