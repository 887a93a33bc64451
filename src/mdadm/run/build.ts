/** mdadm --build: an array without superblocks, of devices in the order given. */
import type { BuildCommand } from "../command.ts";
import { arrayNamed } from "./array-name.ts";
import { createDevice, levelOf } from "./create.ts";
import { withKernelName } from "./kernel-name.ts";
import { isThere } from "./probe.ts";
import type { Session } from "./session.ts";

async function firstAbsent(session: Session, command: BuildCommand): Promise<string | null> {
  for (const { path, missing } of command.devices) {
    if (missing || /^[a-z+]+:\/\//.test(path)) continue;
    if (!(await isThere(session, path))) return path;
  }
  return null;
}

export async function runBuild(session: Session, command: BuildCommand): Promise<number> {
  const level = levelOf(command.level);
  const { kernelName, path } = arrayNamed(command.array);
  const absent = await firstAbsent(session, command);
  if (absent !== null)
    return session.refuse(1, `stat failed for ${absent}: No such file or directory`);
  const { size } = command;
  const host = await session.host();
  const view = await host.build({
    names: await withKernelName(session, { kernelName, path }),
    devices: command.devices.map((device) => createDevice(session, device)),
    level,
    layout: command.layout,
    chunkSectors: command.chunkSectors,
    componentSectors: size === "max" ? null : size,
    assumeClean: command.assumeClean,
  });
  session.result({ array: view });
  session.info(`array ${command.array} built and started.`);
  return 0;
}
