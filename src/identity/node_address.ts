import { P2pError } from "../base/errors.ts";
import { type Address, parseAddress } from "./address.ts";

/** Who and where: a node address URL `proto://id@host:port/path` or `memory:id`, taken apart. (ADR-062) */
export interface NodeAddress {
  /** `tcp`, `memory`, ... */
  readonly protocol: string;
  /** Who must answer there. */
  readonly id: Address;
  /** IP address (IPv6 without brackets) or DNS name, never resolved here; absent for `memory`. */
  readonly host?: string;
  /** 1 to 65535; absent where the protocol has none. */
  readonly port?: number;
  /** Without the leading slash; absent where empty. */
  readonly path?: string;
}
void P2pError;
void parseAddress;
