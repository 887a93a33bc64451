/** Whether a set may be started, and what it would cost. */
export type SetVerdict =
  /** Can be opened as it is. `degradedBy`: members missing or not yet rebuilt. */
  | { readonly kind: "can-start"; readonly degradedBy: number }
  /** Can be opened with --force; `risk` says what that may cost. */
  | { readonly kind: "needs-force"; readonly reason: string; readonly risk: string }
  | { readonly kind: "cannot-start"; readonly reason: string; readonly remedy: string };
