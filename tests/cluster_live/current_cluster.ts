import { asError, P2pError } from "../../src/base/errors.ts";
import { type Cluster, connect } from "../../src/kubernetes/connect.ts";

/** What the pods of the tests run. */
export const image = Deno.env.get("RAINTREE_IMAGE") || "localhost/raintree:dev";

/** The cluster of the current context. Where there is none these tests have failed, and say so: none is created, and nothing is skipped in silence. */
export async function currentCluster(): Promise<Cluster> {
  try {
    const cluster = await connect();
    await cluster.core.listNamespace({ limit: 1 });
    return cluster;
  } catch (caught) {
    const error = asError(caught);
    const hint = error instanceof P2pError && error.hint ? `\n${error.hint}.` : "";
    console.error(
      `\n!! NO CLUSTER: these tests need a real one, in the current context, with the image ${image}.\n` +
        `!! ${error.message.split("\n")[0]}${hint}\n` +
        "!! docs/kubernetes.md says how to get one. Nothing was tested.\n",
    );
    Deno.exit(1);
  }
}
