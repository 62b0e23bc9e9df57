import { asError, P2pError } from "../base/errors.ts";
import { addressOf, parseAddress } from "../identity/address.ts";
import { serviceUrlToNodeAddress } from "../identity/address_conversions.ts";
import { type NodeAddress, parseNodeAddress } from "../identity/node_address.ts";
import { parseServiceUrl } from "../identity/service_url.ts";
import type { StakedPeer } from "./staked_peer.ts";

/** One thing wrong in a genesis file. */
export interface GenesisProblem {
  /** Where: `validators[3].service_url`. */
  readonly path: string;
  /** What. */
  readonly message: string;
}

/** A genesis file that cannot be used; every problem in it, not only the first. */
export class GenesisError extends P2pError {
  /** `GenesisError`. */
  override name = "GenesisError";
  /** In the order of the file. */
  readonly problems: readonly GenesisProblem[];

  /** `source` names the file. */
  constructor(source: string, problems: readonly GenesisProblem[], cause?: unknown) {
    const list = problems.map(({ path, message }) => `\n  ${path === "" ? "the file" : path}: ${message}`).join("");
    const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
    super("genesis_malformed", `Genesis "${source}" has ${count}:${list}`, {
      cause,
      hint: "Each validator takes address, public_key, service_url (host:port) and staked_amount",
    });
    this.problems = problems;
  }
}

/** A validator of a genesis file, and until when it is staked. */
export interface GenesisValidator extends StakedPeer {
  /** The first height at which it is not staked any more; `Infinity` if it goes on. */
  readonly unstakingHeight: number;
}

/** A `public_key`: 32 bytes in hex. */
const PUBLIC_KEY = /^[0-9a-fA-F]{64}$/;

/**
 * Reads the validators of a genesis file in JSON, as Pocket writes it: `{ "validators": [{ "address", "public_key", "service_url",
 * "staked_amount", "unstaking_height" }] }`. What else the file holds belongs to others and is not looked at.
 *
 * - `address`: 40 hex digits; may be left out if there is a `public_key`, and must fit it;
 * - `public_key`: 64 hex digits; may be left out if there is an `address`;
 * - `service_url`: `host:port`, or a node address URL with the validator's ID;
 * - `staked_amount`: a whole number, also as text. `1` if left out;
 * - `unstaking_height`: a height, or -1 (also if left out) for none.
 *
 * @throws {GenesisError} with every problem at once
 */
export function parseGenesis(text: string, source = "genesis"): GenesisValidator[] {
  let genesis: unknown;
  try {
    genesis = JSON.parse(text);
  } catch (cause) {
    throw new GenesisError(source, [{ path: "", message: `is not JSON: ${asError(cause).message}` }], cause);
  }
  const problems: GenesisProblem[] = [];
  const entries = isObject(genesis) ? genesis.validators : undefined;
  if (!Array.isArray(entries)) {
    throw new GenesisError(source, [{ path: "validators", message: `is ${kindOf(entries)}, it takes a list` }]);
  }
  const validators: GenesisValidator[] = [];
  const first = new Map<string, number>();
  entries.forEach((entry, i) => {
    const reader = new EntryReader(entry, `validators[${i}]`, problems);
    const validator = reader.validator();
    if (validator === undefined) return;
    const twin = first.get(validator.address);
    if (twin === undefined) first.set(validator.address, i);
    else reader.problem("address", `is the same as that of validators[${twin}]`);
    validators.push(validator);
  });
  if (problems.length > 0) throw new GenesisError(source, problems);
  return validators;
}

/** Reads one entry and notes its problems. */
class EntryReader {
  readonly #entry: Record<string, unknown> | undefined;
  readonly #path: string;
  readonly #problems: GenesisProblem[];

  constructor(entry: unknown, path: string, problems: GenesisProblem[]) {
    this.#entry = isObject(entry) ? entry : undefined;
    this.#path = path;
    this.#problems = problems;
    if (this.#entry === undefined) problems.push({ path, message: `is ${kindOf(entry)}, it takes an object` });
  }

  problem(field: string, message: string): undefined {
    this.#problems.push({ path: `${this.#path}.${field}`, message });
    return undefined;
  }

  /** The validator, or `undefined` if it has no usable identity or place: then there is a problem. */
  validator(): GenesisValidator | undefined {
    if (this.#entry === undefined) return undefined;
    const publicKey = this.#publicKey();
    const address = this.#address(publicKey);
    const nodeAddress = this.#nodeAddress(address);
    const stake = this.#stake();
    const unstakingHeight = this.#unstakingHeight();
    if (address === undefined || nodeAddress === undefined || stake === undefined) return undefined;
    return { address, nodeAddress, ...(publicKey && { publicKey }), stake, unstakingHeight };
  }

  #text(field: string): string | undefined {
    const value = this.#entry![field];
    if (value === undefined || typeof value === "string") return value;
    return this.problem(field, `is ${kindOf(value)}, it takes a text`);
  }

  #publicKey(): Uint8Array | undefined {
    const hex = this.#text("public_key");
    if (hex === undefined) return undefined;
    if (!PUBLIC_KEY.test(hex)) {
      return this.problem("public_key", `has ${hex.length} characters, it takes 64 hex digits`);
    }
    return Uint8Array.from({ length: 32 }, (_, i) => parseInt(hex.slice(2 * i, 2 * i + 2), 16));
  }

  #address(publicKey: Uint8Array | undefined): string | undefined {
    const derived = publicKey && addressOf(publicKey);
    const text = this.#text("address");
    if (text === undefined) {
      return derived ??
        (this.#entry!.address === undefined && this.#entry!.public_key === undefined
          ? this.problem("address", "is missing, and so is public_key; one of them is needed")
          : undefined);
    }
    const address = this.#attempt("address", () => parseAddress(text));
    if (address !== undefined && derived !== undefined && address !== derived) {
      return this.problem("address", `is ${address}, but the public key is that of ${derived}`);
    }
    return address;
  }

  #nodeAddress(id: string | undefined): NodeAddress | undefined {
    const text = this.#text("service_url");
    if (text === undefined) {
      return this.#entry!.service_url === undefined ? this.problem("service_url", "is missing") : undefined;
    }
    // Only a node address names who must answer, with 40 hex digits.
    const isNodeAddress = text.includes("://") || /^[a-z]+:[0-9a-fA-F]{40}$/.test(text);
    if (!isNodeAddress) {
      const url = this.#attempt("service_url", () => parseServiceUrl(text));
      return url && id && serviceUrlToNodeAddress(url, id) || undefined;
    }
    const address = this.#attempt("service_url", () => parseNodeAddress(text));
    if (address === undefined || id === undefined || address.id === id) return address;
    return this.problem("service_url", `names the node ${address.id}, the validator is ${id}`);
  }

  #stake(): bigint | undefined {
    const value = this.#entry!.staked_amount ?? 1;
    if (typeof value === "string" && /^[0-9]{1,80}$/.test(value)) return BigInt(value);
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return BigInt(value);
    return this.problem("staked_amount", `is ${JSON.stringify(value)}, it takes a whole number from 0`);
  }

  #unstakingHeight(): number {
    const value = this.#entry!.unstaking_height ?? -1;
    if (value === -1 || value === "-1") return Infinity;
    const height = typeof value === "string" && /^[0-9]+$/.test(value) ? Number(value) : value;
    if (typeof height === "number" && Number.isSafeInteger(height) && height >= 0) return height;
    this.problem("unstaking_height", `is ${JSON.stringify(value)}, it takes a height or -1`);
    return Infinity;
  }

  #attempt<T>(field: string, read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      return this.problem(field, asError(error).message);
    }
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function kindOf(value: unknown): string {
  if (value === undefined) return "missing";
  if (value === null) return "null";
  return Array.isArray(value) ? "a list" : `a ${typeof value}`;
}
