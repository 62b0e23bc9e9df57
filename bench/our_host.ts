import { NodeKey } from "../src/identity/node_key.ts";
import { Libp2pHost } from "../src/transport/libp2p/host.ts";
import { handleMessages, sendMessage } from "../src/transport/libp2p/one_message_stream.ts";
import type { Side } from "./side.ts";

const MESSAGE_PROTOCOL = "pokt/raintree/v1.0.0";
const LISTEN = "/ip4/127.0.0.1/tcp/0";

/** The rows of the libp2p host. */
export const ourHost: Pick<Side, "dialServer" | "dialler" | "messageServer" | "messenger"> = {
  dialServer() {
    return Promise.resolve({ address: newHost().listen(LISTEN).multiaddr });
  },

  dialler(address) {
    const host = newHost();
    return Promise.resolve(async () => {
      const connection = await host.dial(address);
      await connection.close();
    });
  },

  messageServer(onMessage) {
    const host = newHost();
    handleMessages(host, MESSAGE_PROTOCOL, {}, (_from, message) => onMessage(message));
    return Promise.resolve({ address: host.listen(LISTEN).multiaddr });
  },

  async messenger(address) {
    const host = newHost();
    const connection = await host.dial(address);
    return (message) => sendMessage(host, connection, MESSAGE_PROTOCOL, message);
  },
};

function newHost(): Libp2pHost {
  return new Libp2pHost({ key: NodeKey.generate() });
}
