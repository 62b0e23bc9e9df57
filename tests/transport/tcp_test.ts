import { TcpTransport } from "../../src/transport/tcp_transport.ts";
import { transportSuite } from "./conformance.ts";

transportSuite("tcp", () => ({
  create: (key, routines) => new TcpTransport({ key, routines }),
  endpoint: { protocol: "tcp", host: "127.0.0.1", port: 0 },
}));
