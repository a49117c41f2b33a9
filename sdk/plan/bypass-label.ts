/** What marks a bypass on pods and policies; the pack's rule `bypass-undocumented` reads the same keys. */
export const bypassLabelPrefix = "policy-bypass.pulumi-cluster-security/";

/** On a pod: its policies are lifted until this day, if the declaration has such a bypass. */
export const bypassLabel = `${bypassLabelPrefix}until`;
