/** What happens to mapped devices in a run. Volumes and disks are counted round: any number means one of those there are. */
import type { Health } from "../disk.ts";

interface Place {
  readonly volume: number;
  readonly sector: number;
  readonly sectors: number;
}

export type MappedAction =
  | (Place & { readonly do: "write"; readonly fua?: true; readonly preflush?: true })
  | (Place & { readonly do: "read" })
  | (Place & { readonly do: "discard" })
  | { readonly do: "flush"; readonly volume: number }
  /** Changes the buffers of writes that are under way. */
  | { readonly do: "alter" }
  /** Stuck: it hangs, for less time than anybody minds. */
  | {
      readonly do: "ail";
      readonly disk: number;
      readonly health: Exclude<Health, "well"> | "stuck";
    }
  /** A disk that was gone or hung answers again. */
  | { readonly do: "return"; readonly disk: number }
  /** The device is suspended, and resumed after a while. */
  | {
      readonly do: "suspend";
      readonly volume: number;
      readonly ms: number;
      readonly noflush?: true;
    }
  /** Its table is loaded again, and takes the place of the same one while the device is used. */
  | { readonly do: "reload"; readonly volume: number; readonly noflush?: true }
  /** Its user closes it amid requests; it is removed, and made again. */
  | { readonly do: "remove"; readonly volume: number }
  /** What an administrator does about a target that has failed or is in another form than it was made in. */
  | { readonly do: "repair" }
  | { readonly do: "convert" }
  /** A snapshot of the volume is made. */
  | { readonly do: "snapshot"; readonly volume: number }
  /** The volume is removed for good, if it is not the last one. */
  | { readonly do: "drop"; readonly volume: number }
  /** A snapshot goes back into its origin. */
  | { readonly do: "merge" }
  | { readonly do: "wait"; readonly ms: number }
  | { readonly do: "rest" }
  /** All is removed, and made again. */
  | { readonly do: "restart" }
  | { readonly do: "kill"; readonly again?: number }
  /** @param again so many events into the next start the power fails again */
  | { readonly do: "cut"; readonly again?: number };
