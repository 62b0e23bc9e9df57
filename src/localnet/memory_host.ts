import { type Clock, systemClock } from "../base/clock.ts";
import { answerRequests, type HostRequest } from "./host_requests.ts";
import type { Manifest } from "./manifest.ts";
import { MemoryBackend } from "./memory_backend.ts";
import { StateFolder } from "./state_folder.ts";

/**
 * Runs the memory back end of the network in `folder` until the signal aborts, and does what {@link HostedMemory} asks for. Its nodes stand in the state once they
 * are ready.
 *
 * @throws what `MemoryBackend.up` throws.
 */
export async function runMemoryHost(folder: string, signal: AbortSignal, clock: Clock = systemClock): Promise<void> {
  const state = new StateFolder(folder, clock);
  const manifest: Manifest = JSON.parse(await Deno.readTextFile(state.file("manifest.json")));
  const backend = new MemoryBackend(manifest, { token: await state.token(), clock });
  try {
    await backend.up(signal);
    const { nodes } = (await backend.access())!;
    await state.save({ ...(await state.read())!, nodes });
    const serve = async (request: HostRequest): Promise<unknown> => {
      switch (request.do) {
        case "up":
          return await backend.up(signal);
        case "down":
          return await backend.down();
        case "fault":
          return await backend.fault(request.fault, signal);
        case "logs":
          return await backend.logs(request.node, request.lines);
      }
    };
    await answerRequests(state, serve, { clock, signal });
  } finally {
    await backend.down();
  }
}
