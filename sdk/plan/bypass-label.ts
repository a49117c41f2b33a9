/** What marks a bypass on pods and policies; the pack's rule `bypass-undocumented` reads the same keys. */
export const bypassLabelPrefix = "policy-bypass.pulumi-cluster-security/";

/** On a pod: its policies are lifted until this day, if the declaration has such a bypass. */
export const bypassLabel = `${bypassLabelPrefix}until`;

/**
 * On a pod and on the policy of an open bypass: the name of its timer, and on the timer itself. Timers have names of their own
 * each time, so a label that is left over opens nothing later.
 */
export const timerLabel = `${bypassLabelPrefix}timer`;

/** What an open bypass states, as annotations of its policies and its timer. */
export const bypassAnnotations = {
  /** When it ends, RFC 3339 in UTC; on a declared bypass its last day. */
  until: `${bypassLabelPrefix}until`,
  owner: `${bypassLabelPrefix}owner`,
  reason: `${bypassLabelPrefix}reason`,
  /** The user that opened it, as the API server knows them. */
  requester: `${bypassLabelPrefix}requester`,
  /** Whose pods it is for: `shop/api`, or `namespace shop`. */
  of: `${bypassLabelPrefix}of`,
} as const;
