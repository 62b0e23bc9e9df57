import { parse } from "@std/yaml";

/** What the tests look at of a Kubernetes object; the API server checks the rest. */
export interface Manifest {
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string> };
  // deno-lint-ignore no-explicit-any
  spec: any;
  data: Record<string, string>;
  rules: { apiGroups: string[]; resources: string[]; resourceNames?: string[]; verbs: string[] }[];
}

/** A kustomization file. */
export interface Kustomization {
  namespace?: string;
  resources?: string[];
  components?: string[];
  replicas?: { name: string; count: number }[];
}

/** The folder of the manifests. */
export const k8s: URL = new URL("../../k8s/", import.meta.url);

/** The documents of a YAML text. */
export function documents(text: string): Manifest[] {
  return text.split(/^---$/m).filter((part) => part.replaceAll(/^#.*$/gm, "").trim() !== "")
    .map((part) => parse(part) as Manifest);
}

/** The kustomization of a folder in `k8s/`. */
export async function kustomization(folder: string): Promise<Kustomization> {
  return parse(await Deno.readTextFile(new URL(`${folder}/kustomization.yaml`, k8s))) as Kustomization;
}

/** The plain resources that the kustomization of a folder names itself. */
export async function resources(folder: string): Promise<Manifest[]> {
  const { resources = [] } = await kustomization(folder);
  const files = resources.filter((name) => name.endsWith(".yaml"));
  const texts = await Promise.all(files.map((name) => Deno.readTextFile(new URL(`${folder}/${name}`, k8s))));
  return texts.flatMap(documents);
}

/** What `kubectl kustomize` makes of a folder; `undefined` where there is no kubectl. */
export async function rendered(folder: string): Promise<Manifest[] | undefined> {
  const args = ["kustomize", new URL(folder, k8s).pathname];
  try {
    const { success, stdout, stderr } = await new Deno.Command("kubectl", { args }).output();
    const decoder = new TextDecoder();
    if (!success) throw new Error(`kubectl ${args.join(" ")}: ${decoder.decode(stderr)}`);
    return documents(decoder.decode(stdout));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** The one object of a kind and name. */
export function find(manifests: Manifest[], kind: string, name: string): Manifest {
  const found = manifests.filter((manifest) => manifest.kind === kind && manifest.metadata.name === name);
  if (found.length !== 1) throw new Error(`${found.length} objects are ${kind}/${name}, not 1`);
  return found[0];
}

/** Every file in `k8s/` with its text. */
export async function files(folder: URL = k8s): Promise<[path: string, text: string][]> {
  const found: [string, string][] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) found.push(...await files(new URL(`${name}/`, folder)));
    else found.push([new URL(name, folder).pathname, await Deno.readTextFile(new URL(name, folder))]);
  }
  return found;
}
