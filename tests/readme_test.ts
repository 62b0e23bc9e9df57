import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { writeKeyFile } from "../src/identity/key_file.ts";
import { NodeKey } from "../src/identity/node_key.ts";

const root = new URL("../", import.meta.url);
const readme = await Deno.readTextFile(new URL("README.md", root));

/** The first fenced block of a language that follows a text, line by line. */
function block(language: string, after: string): string[] {
  const start = readme.indexOf(`\`\`\`${language}\n`, readme.indexOf(after)) + language.length + 4;
  return readme.slice(start, readme.indexOf("\n```", start)).split("\n");
}

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs Deno in `cwd`; the command `node` is told to end once it has said where it listens. */
async function deno(args: string[], options: { cwd: string | URL; stdin?: string }): Promise<Ended> {
  const child = new Deno.Command(Deno.execPath(), {
    args,
    cwd: options.cwd,
    env: { NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stdin = child.stdin.getWriter();
  if (options.stdin !== undefined) await stdin.write(new TextEncoder().encode(options.stdin));
  await stdin.close();
  const stderr = new Response(child.stderr).text();
  let stdout = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    if (args.includes("node") && stdout === "" && text.startsWith("tcp://")) child.kill("SIGTERM");
    stdout += text;
  }
  return { code: (await child.status).code, stdout, stderr: await stderr };
}

/** Runs a command of the README with these permissions only, among the files that it names. */
async function runCommand(permissions: string[], rest: string[]): Promise<Ended> {
  const cwd = await Deno.makeTempDir();
  try {
    const key = NodeKey.generate();
    if (!rest.includes("--out")) await Deno.writeTextFile(`${cwd}/node.key`, key.privateHex());
    await Deno.writeTextFile(`${cwd}/node.yaml`, "private_key_file: node.key\ngenesis_file: genesis.json\n");
    const validator = { address: key.address, service_url: "127.0.0.1:42069" };
    await Deno.writeTextFile(`${cwd}/genesis.json`, JSON.stringify({ validators: [validator] }));
    const anyPort = rest[0] === "node" ? ["--listen-host", "127.0.0.1", "--port", "0"] : [];
    const program = new URL("mod.ts", root).pathname;
    return await deno(["run", "--no-prompt", ...permissions, program, ...rest, ...anyPort], { cwd });
  } finally {
    await Deno.remove(cwd, { recursive: true });
  }
}

/** The same permissions with one value fewer, in every way there is. */
function withOneFewer(permissions: string[]): string[][] {
  return permissions.flatMap((permission, i) => {
    const [flag, list = ""] = permission.split("=");
    const values = list.split(",");
    return values.map((value) => {
      const others = values.filter((other) => other !== value);
      return permissions.toSpliced(i, 1, ...(others.length === 0 ? [] : [`${flag}=${others.join(",")}`]));
    });
  });
}

Deno.test("README.md: the library example does what it says, with the network permission alone", async () => {
  const stdin = block("ts", "## Use it").join("\n");
  const { code, stdout, stderr } = await deno(
    ["run", "--no-prompt", "--allow-net=127.0.0.1", "--ext=ts", "-"],
    { cwd: root, stdin },
  );
  assertEquals([code, stderr], [0, ""]);
  assertEquals(stdout.trim().split("\n"), ["peer_up", "message", "message", "1 []", "message", "olleh", "peer_down"]);
});

Deno.test("README.md: a project that links a checkout runs a node from its configuration file", async () => {
  const cwd = await Deno.makeTempDir();
  try {
    const key = NodeKey.generate();
    const validator = { public_key: key.publicKey.toHex(), service_url: "127.0.0.1:42069" };
    await Deno.writeTextFile(`${cwd}/genesis.json`, JSON.stringify({ validators: [validator] }));
    await writeKeyFile(`${cwd}/node.key`, key);
    const yaml = block("yaml", "## Configuration").filter((line) => !line.startsWith("hostname"));
    await Deno.writeTextFile(`${cwd}/node.yaml`, [...yaml, "port: 0", "listen_host: 127.0.0.1"].join("\n"));
    const project = JSON.parse(block("json", "### Import it").join("\n"));
    assertEquals(project.links.length, 1);
    await Deno.writeTextFile(`${cwd}/deno.json`, JSON.stringify({ ...project, links: [root.pathname] }));
    await Deno.writeTextFile(`${cwd}/main.ts`, block("ts ignore", "## Configuration").join("\n"));
    const { code, stdout, stderr } = await deno(["run", "--no-lock", "-A", "main.ts"], { cwd });
    assertEquals(code, 0, stderr);
    assertMatch(stdout, new RegExp(`^tcp://${key.address}@127\\.0\\.0\\.1:\\d+\n$`));
  } finally {
    await Deno.remove(cwd, { recursive: true });
  }
});

Deno.test("README.md: the floors are those that the floors test holds", async () => {
  const test = await Deno.readTextFile(new URL("tests/floors_test.ts", root));
  const [, list] = /const FLOORS = \[([^\]]*)\]/.exec(test)!;
  const floors = [...list.matchAll(/"(\w+)"/g)].map(([, name]) => name);
  assertEquals(block("text", "## How it is built").map((line) => line.split(" ")[0]), floors.reverse());
});

Deno.test("README.md: each command runs with the permissions listed, and not with one fewer", async () => {
  const lines = block("sh", "## Permissions");
  assert(lines.length >= 6, `only ${lines.length} commands were found`);
  for (const line of lines) {
    const [, , ...words] = line.split(" ");
    const program = words.indexOf("mod.ts");
    const [permissions, rest] = [words.slice(0, program), words.slice(program + 1)];
    const { code, stdout, stderr } = await runCommand(permissions, rest);
    assertEquals([line, code], [line, 0], stderr);
    if (rest.length === 0) {
      const shown = block("text", "## See it").filter((text) => /^[RN✓├│└]|^\d+ (broadcasts|originator)/.test(text));
      assert(shown.length >= 8, `only ${shown.length} lines of the sample were found`);
      for (const text of shown) assertStringIncludes(stdout, text);
    }
    for (const fewer of withOneFewer(permissions)) {
      const refused = await runCommand(fewer, rest);
      assert(refused.code === 2 || refused.code === 3, `${fewer.join(" ")} is enough for: ${line}\n${refused.stderr}`);
      assertMatch(refused.stderr, /Requires \w+ access|not permitted|--allow-/);
    }
  }
});
