/** What a hand has drawn, as voxels. */

import type { Vec3 } from "./grid";

/** Every voxel on the way through these, without repeats; at most one step from one to the next. */
export function stroke(path: Vec3[]): Vec3[] {
  const voxels: Vec3[] = [];
  const seen = new Set<string>();
  const add = (v: Vec3) => {
    const at = v.map(Math.round) as Vec3;
    const key = at.join();
    if (seen.has(key)) return;
    seen.add(key);
    voxels.push(at);
  };
  path.forEach((to, i) => {
    const from = path[Math.max(i - 1, 0)];
    const steps = Math.max(1, ...to.map((v, k) => Math.abs(Math.round(v) - Math.round(from[k]))));
    for (let s = i ? 1 : 0; s <= (i ? steps : 0); s++)
      add(from.map((v, k) => Math.round(v) + ((Math.round(to[k]) - Math.round(v)) * s) / steps) as Vec3);
  });
  return voxels;
}
