/**
 * Engine: a data plane as the control plane sees it. It owns the devices, from the members up to the sockets of its clients, and everything
 * that is done for a request happens in its thread.
 *
 *   open (any number of times) -> serve -> ... -> stop: the server is drained, then overlays and volumes are closed
 *   serveArrays -> callHost ... -> stop: the server is drained, then the arrays are stopped
 *
 * What goes in and comes out is plain data that a structured clone keeps (docs/decisions/0009-engine-thread.md): an engine may live in this
 * thread (local-engine.ts) or in another (remote-engine.ts), and nobody who holds one can tell. A new kind of request is a method with
 * one argument at most, and a line in ENGINE_METHODS (messages.ts).
 */
import type { ArenaCounters } from "../base/arena.ts";
import type { LoopDelays } from "../env/loop-delay.ts";
import type { SocketAddress } from "../env/sockets.ts";
import type { HostCall } from "../host/host-call.ts";
import type { ArrayView } from "../md/view/array-view.ts";
import type { NbdListen, NbdTls } from "../nbd/server.ts";
import type { NbdStats } from "../nbd/stats.ts";
import type { VolumeReport } from "../volume/report.ts";
import type { OpenRequest } from "../volume/volume.ts";

export type Access =
  | { readonly kind: "read-only" }
  /**
   * A writable layer over each volume, which lives until the stop.
   * `folder`: where what is written is kept meanwhile; null keeps it in memory. It must exist.
   */
  | { readonly kind: "overlay"; readonly folder: string | null }
  /** Members are written to, and background sync does what is due. */
  | { readonly kind: "read-write" };

export interface OpenCall {
  readonly request: OpenRequest;
  readonly access: Access;
}

export interface EngineVolume {
  readonly name: string;
  readonly sizeBytes: number;
  /** False with an overlay, and where members are written to. */
  readonly readOnly: boolean;
  readonly report: VolumeReport;
}

export interface OpenedByEngine {
  readonly volumes: readonly EngineVolume[];
  /** Sets that were found but could not be started as asked; their verdicts say why. */
  readonly refused: readonly VolumeReport[];
}

export interface EngineExport {
  /** An open volume. */
  readonly volume: string;
  /** What clients ask for. */
  readonly name: string;
  readonly description: string;
}

export interface ServeCall {
  /** A TCP port of 0 is chosen by the system. */
  readonly listen: SocketAddress;
  readonly exports: readonly EngineExport[];
  /** Without it there is no TLS. */
  readonly tls?: NbdTls;
}

export interface Serving {
  /** With the port that was chosen. */
  readonly address: SocketAddress;
  /** One for each export, in their order. */
  readonly uris: readonly string[];
}

/** Every array that runs is exported at all of these places, under its volume's name, for as long as it runs. */
export interface ServeArraysCall {
  readonly places: readonly NbdListen[];
}

export interface ArrayExport {
  /** Its kernel name. */
  readonly array: string;
  /** Of the export. */
  readonly name: string;
  /** That have it open. */
  readonly clients: number;
  /** One for each place. */
  readonly uris: readonly string[];
}

export interface EngineFigures {
  /** What moves the bytes: "ring", or "node" with the reason in brackets. */
  readonly backend: string;
  /** Since the engine was started. */
  readonly elapsedMs: number;
  /** Null before the first `serve`. */
  readonly nbd: NbdStats | null;
  /** Null while there is none: before the first `open`, and where there can be none. */
  readonly arena: ArenaCounters | null;
  /** Of the engine's own thread. */
  readonly loopDelay: LoopDelays;
  /** Those that are written to. */
  readonly arrays: readonly ArrayFigures[];
}

export interface ArrayFigures {
  readonly volume: string;
  /** md's array_state: "clean", "active", ... */
  readonly state: string;
  /** Slots whose data is not whole. */
  readonly degradedBy: number;
  /** What is done in the background; null: nothing. */
  readonly sync: SyncProgress | null;
}

export interface SyncProgress {
  readonly action: "resync" | "recover" | "check" | "repair";
  /** It waits for another one, or for the array to be written to. */
  readonly isDelayed: boolean;
  /** Of what it goes over: the members' data, for mirrors the volume. */
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly bytesPerSecond: number;
}

/** What is left to say when all has ended. */
export interface EngineEnd {
  readonly figures: EngineFigures;
  /** Arrays that were administered, as they were when nothing was written to them any more. */
  readonly arrays: readonly ArrayView[];
}

export interface Engine {
  /**
   * All volumes of the call, or none.
   * @throws HoldfastError as openVolumes and openOverlay do; `usage` for a name that is taken
   */
  open(call: OpenCall): Promise<OpenedByEngine>;
  /**
   * Administers arrays, as ArrayHost says; calls are worked on side by side.
   * @throws HoldfastError as the method does
   */
  callHost(call: HostCall): Promise<unknown>;
  /** @throws HoldfastError as startNbdServer does; `busy` when it serves already */
  serveArrays(call: ServeArraysCall): Promise<void>;
  arrayExports(): Promise<readonly ArrayExport[]>;
  /** @throws HoldfastError as startNbdServer does; `not-found` for no such volume, `busy` when it serves already */
  serve(call: ServeCall): Promise<Serving>;
  figures(): Promise<EngineFigures>;
  /**
   * Ends everything in order; resolves to what is left to say. What was called before comes to its end first, what is called
   * after it throws `shutdown`. Further calls of it wait for the same end.
   */
  stop(): Promise<EngineEnd>;
}

/** An engine that may end by itself. */
export interface RunningEngine extends Engine {
  /** Resolves to why, when it has ended without being asked to; every call throws the same then. */
  readonly died: Promise<Error>;
}
