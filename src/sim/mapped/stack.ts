/** The mapped devices of a run: small, but with everything that large ones have. */
export interface MirrorStack {
  readonly target: "mirror";
  readonly sectors: number;
  readonly legs: number;
  readonly log: "core" | "disk";
  readonly regionSectors: number;
  readonly features: "" | "handle_errors" | "handle_errors keep_log";
  /** Clients may change a buffer while it is written, and write it again when they are asked to (law 2). */
  readonly sharesBuffers: boolean;
}

export type Stack = MirrorStack;

/** For people. */
export function stackLine(stack: Stack): string {
  const { target, ...words } = stack;
  const rest = Object.entries(words).map(([name, value]) => `${name} ${value}`);
  return `${target}: ${rest.join(", ")}`;
}

/** Simpler ones of the same kind. */
export function* plainerStacks(stack: Stack): Iterable<Stack> {
  switch (stack.target) {
    case "mirror":
      if (stack.legs > 2) yield { ...stack, legs: 2 };
      if (stack.sharesBuffers) yield { ...stack, sharesBuffers: false };
      if (stack.features !== "") yield { ...stack, features: "" };
  }
}
