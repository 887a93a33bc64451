/**
 * MappedHost: the mapped devices that run here, as whoever administers them sees them: what the ioctls of /dev/mapper/control do for dmsetup.
 * What goes in and comes out is plain data, as with ArrayHost, beside which it stands.
 *
 * A device is named by its name, "/dev/mapper/NAME", "/dev/dm-N" or "MAJOR:MINOR": `device` below. All reject with a HoldfastError: `not-found`
 * for a device that is not there, `busy` where a name is taken or somebody has the device open, `usage` for what makes no sense, a wrong word
 * of a table by name; others as said. What is refused has changed nothing.
 */

/** Something that a table stands on. */
export interface MappedDependency {
  readonly major: number;
  readonly minor: number;
  /** As the kernel would call it: "dm-3", "md0", "a.img". */
  readonly blockName: string;
  /** Null for what has none: "/srv/a.img", "/dev/mapper/v". */
  readonly path: string;
  /** The name of the mapped device, if it is one. */
  readonly mapped: string | null;
}

export interface MappedTargetView {
  readonly start: number;
  readonly sectors: number;
  readonly type: string;
}

export interface MappedTableView {
  readonly targets: readonly MappedTargetView[];
  /** The lines of `dmsetup table`, each of which makes the same target again. */
  readonly lines: readonly string[];
  readonly sectors: number;
}

export interface MappedView {
  readonly name: string;
  /** "": none. */
  readonly uuid: string;
  readonly major: number;
  readonly minor: number;
  readonly isSuspended: boolean;
  /** Its live table is. */
  readonly isReadOnly: boolean;
  /** It goes when nobody has it open any more. */
  readonly isRemovalDeferred: boolean;
  readonly openCount: number;
  readonly eventNumber: number;
  readonly live: MappedTableView | null;
  readonly inactive: MappedTableView | null;
  /** Of the live table, else of the inactive one; the one named last first. */
  readonly dependencies: readonly MappedDependency[];
}

export interface MappedCreateCall {
  readonly name: string;
  readonly uuid: string;
  /** Null: the lowest that is free. */
  readonly minor: number | null;
  /** Lines of a table, which is live when this is done; null: none. */
  readonly table: string | null;
  readonly readOnly: boolean;
}

export interface MappedLoadCall {
  readonly device: string;
  readonly table: string;
  readonly readOnly: boolean;
}

export interface MappedSuspendCall {
  readonly device: string;
  /** Bios that targets hold come back instead of being waited for. */
  readonly noFlush: boolean;
  /** Whoever stands above is not asked to write down what it keeps. */
  readonly noLockFs: boolean;
}

export interface MappedStatusCall {
  readonly device: string;
  /** Of the inactive table. */
  readonly inactive: boolean;
  /** What is not committed yet is not counted. */
  readonly noFlush: boolean;
}

export interface MappedMessageCall {
  readonly device: string;
  /** Which target of the live table is meant. */
  readonly sector: number;
  readonly words: readonly string[];
}

export interface TargetTypeView {
  readonly name: string;
  /** Major, minor, patch level. */
  readonly version: readonly [number, number, number];
}

export interface MappedHost {
  /** In the order of their names. */
  mappedDevices(): Promise<readonly MappedView[]>;
  mappedDevice(device: string): Promise<MappedView>;
  mappedCreate(call: MappedCreateCall): Promise<MappedView>;
  /** The inactive table from now on, in place of the one that was. */
  mappedLoad(call: MappedLoadCall): Promise<MappedView>;
  /** Drops the inactive table. */
  mappedClear(device: string): Promise<MappedView>;
  mappedSuspend(call: MappedSuspendCall): Promise<MappedView>;
  /** The inactive table, if there is one, becomes the live one. */
  mappedResume(device: string): Promise<MappedView>;
  mappedStatus(call: MappedStatusCall): Promise<readonly string[]>;
  /** What the target answers; null: nothing. */
  mappedMessage(call: MappedMessageCall): Promise<{ readonly answer: string | null }>;
  mappedRename(call: { readonly device: string; readonly name: string }): Promise<MappedView>;
  /** For a device that has none. */
  mappedSetUuid(call: { readonly device: string; readonly uuid: string }): Promise<MappedView>;
  mappedRemove(call: {
    readonly device: string;
    readonly deferred: boolean;
  }): Promise<"removed" | "deferred">;
  /** Resolves when the event number is another than this, or the device is removed. */
  mappedWait(call: { readonly device: string; readonly event: number }): Promise<number>;
  targetTypes(): Promise<readonly TargetTypeView[]>;
}
