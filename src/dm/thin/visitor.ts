/** Metadata of a pool as it is told from beginning to end: by a dump, by a file that is restored; to a file, or to new metadata. */
export interface PoolFacts {
  readonly uuid: string;
  readonly time: number;
  readonly transactionId: number;
  readonly flags: number;
  readonly version: number;
  readonly dataBlockSectors: number;
  readonly dataBlocks: number;
}

export interface DeviceFacts {
  readonly id: number;
  readonly mappedBlocks: number;
  readonly transactionId: number;
  readonly creationTime: number;
  readonly snapshottedTime: number;
}

/** `length` blocks from `origin` on are data blocks from `data` on, mapped at `time`. */
export interface MappingFacts {
  readonly origin: number;
  readonly data: number;
  readonly length: number;
  readonly time: number;
}

/** Called in order: pool, then each device with its mappings, then the end. */
export interface PoolVisitor {
  pool(facts: PoolFacts): Promise<void>;
  device(facts: DeviceFacts): Promise<void>;
  mapping(facts: MappingFacts): Promise<void>;
  deviceEnd(): Promise<void>;
  poolEnd(): Promise<void>;
}
