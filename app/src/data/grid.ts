/** Voxels: as they are stored, and in the axial view (x to the patient's left, y to the back, z to the head). */

export type Vec3 = [number, number, number];

export interface GridState {
  size: Vec3;
  spacing: Vec3;
  origin: Vec3;
  direction: number[];
}

export interface AxialState {
  axes: Vec3;
  flips: [boolean, boolean, boolean];
}

export class Grid {
  /** Voxels and mm of the axial axes. */
  readonly size: Vec3;
  readonly spacing: Vec3;
  /** The index of an axial voxel in an array is `start` + the sum of `strides[i]` * voxel[i]. */
  readonly start: number;
  readonly strides: Vec3;

  constructor(
    readonly stored: GridState,
    readonly axial: AxialState,
  ) {
    const { size, spacing } = stored;
    const steps: Vec3 = [1, size[0], size[0] * size[1]];
    this.size = axial.axes.map((a) => size[a]) as Vec3;
    this.spacing = axial.axes.map((a) => spacing[a]) as Vec3;
    this.strides = axial.axes.map((a, i) => (axial.flips[i] ? -steps[a] : steps[a])) as Vec3;
    this.start = axial.axes.reduce((sum, a, i) => sum + (axial.flips[i] ? (size[a] - 1) * steps[a] : 0), 0);
  }

  index([x, y, z]: Vec3): number {
    const [a, b, c] = this.strides;
    return this.start + x * a + y * b + z * c;
  }

  inside(voxel: Vec3): boolean {
    return voxel.every((v, i) => v >= 0 && v < this.size[i]);
  }

  clamped(voxel: Vec3): Vec3 {
    return voxel.map((v, i) => Math.min(Math.max(Math.round(v), 0), this.size[i] - 1)) as Vec3;
  }

  /** An axial voxel, fractions too, where it is stored. */
  toStored(voxel: Vec3): Vec3 {
    const { axes, flips } = this.axial;
    const out: Vec3 = [0, 0, 0];
    axes.forEach((a, i) => {
      out[a] = flips[i] ? this.size[i] - 1 - voxel[i] : voxel[i];
    });
    return out;
  }

  toAxial(stored: Vec3): Vec3 {
    const { axes, flips } = this.axial;
    return axes.map((a, i) => (flips[i] ? this.size[i] - 1 - stored[a] : stored[a])) as Vec3;
  }

  /** A box of stored voxels in the axial view. */
  boxToAxial(low: Vec3, size: Vec3): { low: Vec3; size: Vec3 } {
    const a = this.toAxial(low);
    const b = this.toAxial(low.map((v, i) => v + size[i] - 1) as Vec3);
    return {
      low: a.map((v, i) => Math.min(v, b[i])) as Vec3,
      size: a.map((v, i) => Math.abs(v - b[i]) + 1) as Vec3,
    };
  }

  /** Where an axial voxel lies in the patient, LPS in mm. */
  toWorld(voxel: Vec3): Vec3 {
    const at = this.toStored(voxel);
    const { spacing, origin, direction } = this.stored;
    return [0, 1, 2].map(
      (row) => origin[row] + [0, 1, 2].reduce((sum, k) => sum + direction[3 * row + k] * spacing[k] * at[k], 0),
    ) as Vec3;
  }
}
