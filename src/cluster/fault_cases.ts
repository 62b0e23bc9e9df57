import { allOf } from "../localnet/all_of.ts";
import type { FaultCaseName, FaultKind } from "../localnet/manifest.ts";
import type { Absence } from "./broadcast_ledger.ts";
import type { FaultScene } from "./fault_scene.ts";

/** One thing that assertion `faults` does to a network. */
export interface FaultCase {
  /** What the back end has to be able to do. */
  readonly needs: readonly FaultKind[];
  /** Does it while broadcasts go on, and resolves when the network is to be whole again and everybody who was away gets broadcasts. */
  run(scene: FaultScene): Promise<void>;
}

/** How much shorter than asked for a stop may seem: answers take their time. */
const SEEMING_MS = 1_000;

/** How long after a cut what was on its way may still arrive, milliseconds. */
const ON_ITS_WAY_MS = 500;

/** Every case. */
export const FAULT_CASES_BY_NAME: Readonly<Record<FaultCaseName, FaultCase>> = {
  kill: { needs: ["kill"], run: (scene) => killed(scene, 1) },

  third: { needs: ["kill"], run: (scene) => killed(scene, Math.floor(scene.names.length / 3)) },

  stop: {
    needs: ["stop", "cont"],
    async run(scene) {
      const nodes = scene.pick(1);
      const absence = begin(scene, nodes, "stopped")[0];
      await scene.do({ fault: "stop", nodes });
      const { stopMs } = scene.parameters;
      await scene.hold(stopMs);
      absence.returnedMs = scene.overMs = scene.now();
      await scene.do({ fault: "cont", nodes });
      await scene.again(absence);
      const silentMs = Math.round(scene.watched(absence.node)?.silentMs ?? 0);
      if (silentMs < stopMs - SEEMING_MS) {
        scene.wrong.push(`${absence.node} was to be stopped for ${stopMs} ms, and was silent for ${silentMs} ms`);
      }
    },
  },

  restart: {
    needs: ["restart"],
    async run(scene) {
      const nodes = scene.pick(1);
      const [absence] = begin(scene, nodes, "ended");
      await scene.do({ fault: "restart", nodes });
      scene.overMs = scene.now();
      await scene.returned(absence);
      await scene.again(absence);
    },
  },

  partition: {
    needs: ["partition", "heal"],
    async run(scene) {
      const { names } = scene;
      const part = names.slice(0, Math.floor(names.length / 2));
      const rest = names.slice(part.length);
      scene.faultMs = scene.now();
      await scene.do({ fault: "partition", groups: [part] });
      const cutMs = scene.now();
      const absences = names.map((node) => scene.away(node, "cut", cutMs));
      await scene.hold(scene.parameters.stopMs);
      const healMs = scene.overMs = scene.now();
      for (const absence of absences) absence.returnedMs = healMs;
      const through = crossed(scene, part, cutMs + ON_ITS_WAY_MS, healMs);
      await scene.do({ fault: "heal" });
      if (through > 0) scene.wrong.push(`${through} deliveries went through the cut: it was none`);
      // Back is who gets a broadcast of the other part.
      for (const absence of absences) await scene.again(absence, part.includes(absence.node) ? rest : part);
    },
  },

  upgrade: {
    needs: ["upgrade"],
    async run(scene) {
      const before = new Map(scene.names.map((name) => [name, scene.watched(name)?.runs.length ?? 0]));
      scene.faultMs = scene.now();
      // Who goes when is the back end's to choose: it is read from the runs.
      const noted = new Map<string, Absence>();
      const note = () => {
        for (const name of scene.names) {
          const { runs = [] } = scene.watched(name) ?? {};
          const [last, next] = runs.slice((before.get(name) ?? 0) - 1);
          if (noted.has(name) || next === undefined) continue;
          const absence = scene.away(name, "ended", last.lastMs);
          absence.returnedMs = next.firstMs;
          noted.set(name, absence);
        }
        return noted.size === scene.names.length || undefined;
      };
      await scene.do({ fault: "upgrade" });
      scene.overMs = scene.now();
      await scene.until(`Not every validator came back as another process`, note);
      for (const absence of noted.values()) await scene.again(absence);
    },
  },

  scale: {
    needs: ["scale"],
    async run(scene) {
      const { names, parameters: { scaleTo } } = scene;
      const most = scaleTo > 0 ? scaleTo : names.length + Math.max(1, Math.floor(names.length / 2));
      scene.faultMs = scene.now();
      await scene.do({ fault: "scale", validators: most });
      await scene.until(
        `There are not ${most} validators`,
        () => scene.present().filter(({ runs }) => runs.length > 0).length === most || undefined,
      );
      const joined = scene.present().filter(({ name }) => !names.includes(name)).map(({ name }) => {
        const absence = scene.away(name, "ended", -Infinity);
        absence.returnedMs = scene.watched(name)?.runs[0]?.firstMs;
        return absence;
      });
      // Of those who were there before: who joined together may hear nobody else.
      for (const absence of joined) await scene.again(absence, names);
      await scene.hold(scene.parameters.downMs);
      const gone = joined.map(({ node }) => scene.away(node, "ended"));
      await scene.do({ fault: "scale", validators: names.length });
      scene.overMs = scene.now();
      await scene.until(
        `There are not ${names.length} validators again`,
        () => scene.present().length === names.length || undefined,
      );
      // They never come back to be asked: what they had got is known up to their last answer.
      for (const absence of gone) {
        absence.fromMs = Math.min(absence.fromMs, scene.watched(absence.node)?.runs.at(-1)?.lastMs ?? -Infinity);
      }
    },
  },
};

/** Notes the fault, a moment before it is done. */
function begin(scene: FaultScene, nodes: readonly string[], how: Absence["how"]): Absence[] {
  scene.faultMs = scene.now();
  return nodes.map((node) => scene.away(node, how, scene.faultMs));
}

/** Kills some at once, leaves them dead for a while (a cluster may start them by itself), and starts them. */
async function killed(scene: FaultScene, count: number): Promise<void> {
  if (count === 0) return void scene.wrong.push(`Of ${scene.names.length} validators none is a third`);
  const nodes = scene.pick(count);
  const absences = begin(scene, nodes, "killed");
  await scene.do({ fault: "kill", nodes });
  await scene.hold(scene.parameters.downMs);
  scene.overMs = scene.now();
  const back = async (absence: Absence) => {
    await scene.returned(absence);
    await scene.again(absence);
  };
  await allOf([scene.up(), ...absences.map(back)]);
}

/** How many deliveries crossed a cut: asked for after it on one side, seen before its end on the other. */
function crossed(scene: FaultScene, part: readonly string[], fromMs: number, untilMs: number): number {
  const { accepted, nodes, seenMs } = scene.ledger;
  let through = 0;
  for (const { nonce, from, askedMs } of accepted) {
    if (askedMs < fromMs) continue;
    for (const node of nodes) {
      if (part.includes(node) !== part.includes(from) && (seenMs(node, nonce) ?? Infinity) < untilMs) through++;
    }
  }
  return through;
}
