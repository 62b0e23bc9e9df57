import type { Side } from "./side.ts";

/** raintree. Each row loads the floor that it measures, and nothing above. */
export const ours: Side = {
  async load() {
    await Promise.all([network(), import("../src/transport/tcp_transport.ts")]);
  },
  receiver: async (onMessage) => (await module()).receiver(onMessage),
  sender: async (address) => (await module()).sender(address),
  echoServer: async () => (await module()).echoServer(),
  requester: async (address) => (await module()).requester(address),
  dialServer: async () => (await host()).dialServer(),
  dialler: async (address) => (await host()).dialler(address),
  messageServer: async (onMessage) => (await host()).messageServer(onMessage),
  messenger: async (address) => (await host()).messenger(address),
  network: async (count, options) => (await network())(count, options),
};

async function host() {
  return (await import("./our_host.ts")).ourHost;
}

async function module() {
  return (await import("./our_module.ts")).ourModule;
}

async function network() {
  return (await import("./our_network.ts")).ourNetwork;
}
