/** How gossipsub is set: what its documentation says, and it says the same as its defaults. Written down here so that the figures can name it. */
export interface GossipSettings {
  /** Peers that a node wants in its mesh. */
  readonly D: number;
  /** Below this it looks for more. */
  readonly Dlo: number;
  /** Above this it drops some. */
  readonly Dhi: number;
  /** Peers outside the mesh that hear at each heartbeat what there is. */
  readonly Dlazy: number;
  /** Milliseconds between heartbeats. */
  readonly heartbeatInterval: number;
  /** Whether the origin sends to all its neighbours and not to its mesh alone. */
  readonly floodPublish: boolean;
}

/** The settings with a mesh of `mesh` peers. */
export function gossipSettings(mesh = 6): GossipSettings {
  return { D: mesh, Dlo: mesh - 2, Dhi: 2 * mesh, Dlazy: 6, heartbeatInterval: 1_000, floodPublish: true };
}
