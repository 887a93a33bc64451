/** Every signature that is looked for. A new one is one line here; identify and the tests go over this list. */
import { btrfsProbe } from "./btrfs.ts";
import { bcacheProbe, bcachefsProbe } from "./caches.ts";
import {
  integrityProbe,
  mirrorLogProbe,
  pdataProbe,
  snapshotProbe,
  verityProbe,
  writecacheProbe,
} from "./device-mapper.ts";
import { drbdProbe } from "./drbd.ts";
import { extProbe } from "./ext.ts";
import { bitlockerProbe, exfatProbe, fatProbe } from "./fat.ts";
import { luksProbe } from "./luks.ts";
import {
  f2fsProbe,
  isoProbe,
  jfsProbe,
  reiserProbe,
  squashfsProbe,
  udfProbe,
} from "./more-file-systems.ts";
import type { SignatureProbe } from "./probe.ts";
import { ddfProbe, imsmProbe } from "./raid-anchors.ts";
import { swapProbe } from "./swap.ts";
import { xfsProbe } from "./xfs.ts";
import { zfsProbe } from "./zfs.ts";

export const SIGNATURE_PROBES: readonly SignatureProbe[] = [
  ddfProbe,
  imsmProbe,
  zfsProbe,
  drbdProbe,
  bcacheProbe,
  pdataProbe,
  snapshotProbe,
  mirrorLogProbe,
  integrityProbe,
  verityProbe,
  writecacheProbe,
  luksProbe,
  bitlockerProbe,
  swapProbe,
  extProbe,
  xfsProbe,
  btrfsProbe,
  bcachefsProbe,
  fatProbe,
  exfatProbe,
  f2fsProbe,
  jfsProbe,
  reiserProbe,
  squashfsProbe,
  isoProbe,
  udfProbe,
];
