/** In which order arrays and mapped devices are started again: what others stand on comes first. */

export interface Startable {
  /** Paths by which others name it. */
  readonly names: readonly string[];
  /** Paths, perhaps of partitions: "/dev/mapper/v:p1". */
  readonly standsOn: readonly string[];
}

/** Otherwise as they come; those that stand on each other too. */
export function startOrder<T extends Startable>(all: readonly T[]): T[] {
  const left = [...all];
  const ordered: T[] = [];
  while (left.length > 0) {
    const free = left.findIndex((one) => !left.some((other) => other !== one && isOn(one, other)));
    ordered.push(...left.splice(Math.max(free, 0), 1));
  }
  return ordered;
}

function isOn({ standsOn }: Startable, { names }: Startable): boolean {
  return standsOn.some((path) => names.includes(path.replace(/(?::p\d+)+$/, "")));
}
