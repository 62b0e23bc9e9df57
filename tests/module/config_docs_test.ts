import { assertEquals } from "@std/assert";
import { CONFIG_FIELDS, CONFIG_NAMES, envName, flagName } from "../../src/module/config_fields.ts";

const page = new URL("../../docs/configuration.md", import.meta.url);

/** The page in full: change the fields, then `UPDATE_DOCS=1 deno task test tests/module/config_docs_test.ts`. */
function render(): string {
  const rows = CONFIG_NAMES.map((name) => {
    const { kind, fallback, doc } = CONFIG_FIELDS[name];
    const flag = flagName(name);
    const value = kind.placeholder.replaceAll("|", "\\|");
    const shown = fallback === undefined
      ? "required"
      : fallback === "" || Array.isArray(fallback)
      ? ""
      : `\`${fallback}\``;
    const cells = [`\`${name}\``, kind.many ? `list of ${value}` : value, shown, `\`${envName(name)}\``];
    return `| ${[...cells, flag === undefined ? "" : `\`--${flag}\``, doc].join(" | ")} |`;
  });
  return `# Configuration of a node

A YAML file with these fields, given by \`--config FILE\`. A variable of the environment overrides the file, a flag
overrides both. Lists are YAML lists or text with commas; list flags may be repeated. \`--acks\` stands for \`--acks=true\`,
and \`--acks=false\` turns it off. Paths are relative to the working directory. Everything wrong is reported at once, with
the place where it stands, and the exit code is 2; what is wrong within the genesis file is told when that is read, with
exit code 3. The private key has no flag: command lines are seen by other users of the machine. [genesis.md](genesis.md)
describes the genesis file.

<!-- deno-fmt-ignore-start -->
| field | value | default | variable | flag | meaning |
| --- | --- | --- | --- | --- | --- |
${rows.join("\n")}
<!-- deno-fmt-ignore-end -->
`;
}

Deno.test("docs/configuration.md lists the fields as they are", async () => {
  if (Deno.env.get("UPDATE_DOCS")) await Deno.writeTextFile(page, render());
  assertEquals(await Deno.readTextFile(page), render());
});
