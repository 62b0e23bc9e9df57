import { systemClock } from "../../src/base/clock.ts";
import type { LinkProfile } from "../../src/sim/link_profile.ts";
import { SimNetwork } from "../../src/sim/sim_network.ts";
import type { TransportKit } from "../transport/_nodes.ts";
import { transportSuite } from "../transport/conformance.ts";

/** In real time: what the suite waits for comes without anybody moving a clock. */
function simKit(link: Partial<LinkProfile>): TransportKit {
  const network = new SimNetwork(systemClock, { link });
  return {
    create: (key, routines) => network.host(key).transport(routines),
    endpoint: { protocol: "memory" },
  };
}

transportSuite("perfect simulated", () => simKit({}));
transportSuite("late simulated", () => simKit({ latencyMs: 1, jitterMs: 1 }));
// So rarely that none is: what is tested is that frames pass the losing and doubling of messages unharmed.
transportSuite("message-losing simulated", () => simKit({ messageLoss: 1e-12 }));
