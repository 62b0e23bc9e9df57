import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { P2pError } from "../../src/base/errors.ts";
import { seededRandom } from "../../src/base/random.ts";
import { addressOf } from "../../src/identity/address.ts";
import { GenesisError, parseGenesis } from "../../src/peer/genesis.ts";
import { GenesisProvider } from "../../src/peer/genesis_provider.ts";

/** The key of the n-th validator in hex; any 32 bytes do. */
const key = (n: number) => n.toString(16).padStart(64, "0");
const addressOfKey = (n: number) => addressOf(Uint8Array.from({ length: 32 }, (_, i) => i === 31 ? n : 0));
const validator = (n: number) => ({
  address: addressOfKey(n),
  public_key: key(n),
  chains: null,
  service_url: `node${n}.consensus:8080`,
  staked_amount: "1000000000000",
  paused_height: -1,
  unstaking_height: -1,
  output: addressOfKey(n),
  actor_type: 3,
});
const genesis = (...validators: unknown[]) => JSON.stringify({ chain_id: "testnet", accounts: [], validators });
const problemsOf = (text: string) => assertThrows(() => parseGenesis(text), GenesisError).problems;

Deno.test("parseGenesis() reads validators as Pocket writes them", () => {
  const [first, second] = parseGenesis(genesis(validator(1), { ...validator(2), unstaking_height: 70 }));
  assertEquals(first, {
    address: addressOfKey(1),
    nodeAddress: { protocol: "tcp", id: addressOfKey(1), host: "node1.consensus", port: 8080 },
    publicKey: Uint8Array.from({ length: 32 }, (_, i) => i === 31 ? 1 : 0),
    stake: 1_000_000_000_000n,
    unstakingHeight: Infinity,
  });
  assertEquals(second.unstakingHeight, 70);
});

Deno.test("parseGenesis() takes an address or a public key, a node address, and no stake", () => {
  const [first, second] = parseGenesis(genesis(
    { public_key: key(1), service_url: `memory:${addressOfKey(1)}` },
    { address: addressOfKey(2).toUpperCase(), service_url: "[::1]:42069", staked_amount: 5 },
  ));
  assertEquals([first.address, first.nodeAddress.protocol, first.stake], [addressOfKey(1), "memory", 1n]);
  assertEquals([second.address, second.publicKey, second.stake], [addressOfKey(2), undefined, 5n]);
  assertEquals(second.nodeAddress.host, "::1");
});

Deno.test("parseGenesis() reports every problem at once, each with its path", () => {
  const problems = problemsOf(genesis(
    validator(1),
    { ...validator(2), service_url: "nowhere" },
    "validator",
    { ...validator(3), service_url: undefined, staked_amount: -4 },
    { service_url: "a.example:1" },
    { ...validator(4), public_key: "abc", address: 12 },
    { ...validator(5), address: addressOfKey(6), unstaking_height: "soon" },
    validator(1),
    { ...validator(7), service_url: `tcp://${addressOfKey(8)}@a.example:1` },
  ));
  assertEquals(problems.map(({ path }) => path), [
    "validators[1].service_url",
    "validators[2]",
    "validators[3].service_url",
    "validators[3].staked_amount",
    "validators[4].address",
    "validators[5].public_key",
    "validators[5].address",
    "validators[6].address",
    "validators[6].unstaking_height",
    "validators[7].address",
    "validators[8].service_url",
  ]);
  assertStringIncludes(problems[9].message, "validators[0]");
  const { message } = assertThrows(() => parseGenesis(genesis("validator"), "/etc/genesis.json"), GenesisError);
  assertStringIncludes(message, '"/etc/genesis.json"');
  assertStringIncludes(message, "validators[0]: is a string, it takes an object");
});

Deno.test("parseGenesis() refuses what is not JSON or has no validators", () => {
  assertStringIncludes(problemsOf("{")[0].message, "not JSON");
  for (const text of ["null", "[]", "{}", '{"validators":{}}', '"validators"']) {
    assertEquals(problemsOf(text)[0].path, "validators", text);
  }
  assertEquals(parseGenesis('{"validators":[]}'), []);
});

Deno.test("parseGenesis() returns or throws its own error for mangled files", () => {
  const text = genesis(validator(1), validator(2));
  for (let seed = 1; seed <= 2000; seed++) {
    const random = seededRandom(seed);
    const bytes = new TextEncoder().encode(text);
    for (let i = 0; i < 3; i++) bytes[Math.floor(random.next() * bytes.length)] = 32 + Math.floor(random.next() * 95);
    try {
      parseGenesis(new TextDecoder().decode(bytes));
    } catch (error) {
      assert(error instanceof GenesisError, `seed ${seed}: ${error}`);
    }
  }
});

Deno.test("GenesisProvider tells who is staked at a height", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const path = `${directory}/genesis.json`;
    await Deno.writeTextFile(path, genesis(validator(1), { ...validator(2), unstaking_height: 70 }));
    const provider = await GenesisProvider.open(path);
    const at = async (height: number) =>
      (await provider.getStakedPeerstoreAtHeight(height)).map(({ address }) => address);
    assertEquals(await at(69), [addressOfKey(1), addressOfKey(2)].sort());
    assertEquals(await at(70), [addressOfKey(1)]);
    const missing = await assertRejects(() => GenesisProvider.open(`${directory}/none.json`), P2pError);
    assertEquals(missing.code, "genesis_unreadable");
    assertStringIncludes(missing.hint!, "does not exist");
    assertEquals((await assertRejects(() => GenesisProvider.open(directory), P2pError)).code, "genesis_unreadable");
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
