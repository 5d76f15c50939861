/** The three planes as a radiologist hangs them: head up, the patient's left on the right. */

import type { Grid, Vec3 } from "./grid";

export type PlaneName = "axial" | "coronal" | "sagittal";

export interface Plane {
  name: PlaneName;
  /** The axial axes that run across, along the screen's right and down, and whether they run against it. */
  through: 0 | 1 | 2;
  right: 0 | 1 | 2;
  down: 0 | 1 | 2;
  downFlipped: boolean;
  /** Letters at the left, right, top and bottom. */
  marks: [string, string, string, string];
}

export const PLANES: Plane[] = [
  { name: "axial", through: 2, right: 0, down: 1, downFlipped: false, marks: ["R", "L", "A", "P"] },
  { name: "coronal", through: 1, right: 0, down: 2, downFlipped: true, marks: ["R", "L", "H", "F"] },
  { name: "sagittal", through: 0, right: 1, down: 2, downFlipped: true, marks: ["A", "P", "H", "F"] },
];

/** A slice of an array of voxels, row by row as it is shown. */
export function cut<T extends Uint16Array | Uint8Array | Int16Array>(
  grid: Grid,
  plane: Plane,
  slice: number,
  from: T,
  into: T,
): void {
  const width = grid.size[plane.right];
  const height = grid.size[plane.down];
  const across = grid.strides[plane.right];
  const downwards = grid.strides[plane.down] * (plane.downFlipped ? -1 : 1);
  let row = grid.start + slice * grid.strides[plane.through];
  if (plane.downFlipped) row += (height - 1) * grid.strides[plane.down];
  for (let v = 0, at = 0; v < height; v++, row += downwards)
    for (let u = 0, index = row; u < width; u++, at++, index += across) into[at] = from[index];
}

/** Column and row of an axial voxel in a slice that `cut` gives. */
export function pixelOf(grid: Grid, plane: Plane, voxel: Vec3): [number, number] {
  const v = voxel[plane.down];
  return [voxel[plane.right], plane.downFlipped ? grid.size[plane.down] - 1 - v : v];
}

/** The axial voxel, fractions too, of a column and row of a slice. */
export function voxelOf(grid: Grid, plane: Plane, slice: number, [u, v]: [number, number]): Vec3 {
  const out: Vec3 = [0, 0, 0];
  out[plane.through] = slice;
  out[plane.right] = u;
  out[plane.down] = plane.downFlipped ? grid.size[plane.down] - 1 - v : v;
  return out;
}
