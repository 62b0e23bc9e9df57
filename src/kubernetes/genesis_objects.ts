import { newToken } from "../admin/new_token.ts";
import { P2pError } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import { NodeKey } from "../identity/node_key.ts";
import { parseGenesis } from "../peer/genesis.ts";

/** Kinds of objects that hold texts by key. */
export type DataKind = "Secret" | "ConfigMap";

/** The Secrets and ConfigMaps of one namespace; the texts of Secrets not in base64. */
export interface DataObjects {
  /** Texts by key; `undefined` where there is no such object. @throws {P2pError} what the cluster refuses */
  read(kind: DataKind, name: string): Promise<Readonly<Record<string, string>> | undefined>;
  /** Makes an object. `false` where there is one of that name: it stays as it is. @throws {P2pError} what the cluster refuses */
  create(kind: DataKind, name: string, data: Readonly<Record<string, string>>): Promise<boolean>;
}

/** Options of {@link ensureGenesis}. */
export interface GenesisObjectsOptions {
  /** Where the validators run: part of their names. */
  namespace: string;
  /** Validators that may ever run, 1 to 1,000: each has a key and stands in the genesis file. */
  max: number;
  /** Randomness of the token. */
  random: Random;
}

/** What {@link ensureGenesis} found and made. */
export interface GenesisOutcome {
  /** Validators in the genesis file. */
  readonly validators: number;
  /** In the order in which they were looked for. */
  readonly objects: readonly { readonly kind: DataKind; readonly name: string; readonly created: boolean }[];
}

/** Port of the peers, as the headless Service names it. */
const P2P_PORT = 42069;

const KEYS = "validator-keys";

const GENESIS = "genesis";

const TOKEN = "admin-token";

/**
 * Sees to it that a namespace has what validators need before they start: Secret `validator-keys` (`validator-N.key`), ConfigMap `genesis`
 * (`genesis.json`, made from those keys) and Secret `admin-token` (`token`). What is there stays as it is, also where another one makes it
 * at the same time, and where an earlier attempt ended in the middle.
 *
 * @throws {P2pError} `genesis_stale` where genesis file and keys are there and do not belong together, `key_malformed`, `genesis_malformed`
 * where they are there and are none; what `objects` throws.
 */
export async function ensureGenesis(objects: DataObjects, options: GenesisObjectsOptions): Promise<GenesisOutcome> {
  const { namespace, max, random } = options;
  const made: GenesisOutcome["objects"][number][] = [];
  const ensure = async (kind: DataKind, name: string, make: () => Record<string, string>) => {
    let data = await objects.read(kind, name);
    let created = false;
    if (data === undefined) {
      const own = make();
      created = await objects.create(kind, name, own);
      // Who came second takes what the first one made.
      data = created ? own : await objects.read(kind, name);
    }
    made.push({ kind, name, created });
    if (data !== undefined) return data;
    throw new P2pError("kubernetes_conflict", `${kind} ${name} was removed while it was made`, {
      hint: "Run it again",
    });
  };
  const keys = await ensure("Secret", KEYS, () => newKeys(max));
  const members = membersOf(keys);
  const genesis = await ensure("ConfigMap", GENESIS, () => ({ "genesis.json": genesisOf(members, namespace) }));
  assertFits(genesis["genesis.json"] ?? "", members);
  await ensure("Secret", TOKEN, () => ({ token: newToken(random) }));
  return { validators: members.length, objects: made };
}

function newKeys(count: number): Record<string, string> {
  return Object.fromEntries(
    Array.from({ length: count }, (_, i) => [`validator-${i}.key`, `${NodeKey.generate().privateHex()}\n`]),
  );
}

/** Who stands in the genesis file. */
interface Member {
  readonly name: string;
  readonly key: NodeKey;
}

function membersOf(keys: Readonly<Record<string, string>>): Member[] {
  return Object.entries(keys).flatMap(([file, text]) => {
    const at = /^validator-(\d+)\.key$/.exec(file)?.[1];
    return at === undefined ? [] : [{ at: Number(at), name: `validator-${at}`, key: NodeKey.fromPrivateHex(text) }];
  }).sort((a, b) => a.at - b.at);
}

function genesisOf(members: readonly Member[], namespace: string): string {
  const validators = members.map(({ name, key: { address, publicKey } }) => ({
    address,
    public_key: publicKey.toHex(),
    service_url: `${name}.validators.${namespace}.svc.cluster.local:${P2P_PORT}`,
    staked_amount: "1",
  }));
  return `${JSON.stringify({ validators }, null, 2)}\n`;
}

/** Nodes whose keys are not in their genesis file would start and wait for ever. */
function assertFits(genesis: string, members: readonly Member[]): void {
  const staked = new Set(parseGenesis(genesis, `ConfigMap ${GENESIS}`).map(({ address }) => address));
  const missing = members.filter(({ key }) => !staked.has(key.address));
  if (missing.length === 0) return;
  throw new P2pError(
    "genesis_stale",
    `ConfigMap ${GENESIS} lacks ${missing.length} of the ${members.length} validators whose keys are in Secret ${KEYS}, ${
      missing[0].name
    } for one`,
    { hint: `Remove the ConfigMap, and it is made again from the keys: kubectl delete configmap ${GENESIS}` },
  );
}
