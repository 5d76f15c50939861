/** Maximum-intensity projections of a PET, seen from all sides of the body's long axis. */

import type { Grid, Vec3 } from "../data/grid";

/** As many views as there are in a full turn. */
export const VIEWS = 36;
/** Voxels are pooled to about this many mm: a turning picture shows no more. */
const POOLED_MM = 4;

export class Projection {
  /** Pixels of a view: across, and from the head down. */
  readonly width: number;
  readonly height: number;
  /** Their size in mm. */
  readonly pixel: [number, number];
  private readonly factor: Vec3;
  private readonly size: Vec3;
  private readonly mm: Vec3;
  /** Pooled voxels, z fastest: a ray then meets whole columns. */
  private readonly pooled: Int16Array;
  /** By which ray a column was met last. */
  private readonly met: Uint32Array;
  private rays = 0;
  private readonly views = new Map<number, Int16Array>();

  constructor(
    private readonly grid: Grid,
    private readonly data: Int16Array,
  ) {
    this.factor = grid.spacing.map((mm) => Math.max(1, Math.round(POOLED_MM / mm))) as Vec3;
    this.size = grid.size.map((n, i) => Math.ceil(n / this.factor[i])) as Vec3;
    this.mm = grid.spacing.map((mm, i) => mm * this.factor[i]) as Vec3;
    this.met = new Uint32Array(this.size[0] * this.size[1]);
    this.pooled = this.pool();
    const across = Math.max(this.size[0] * this.mm[0], this.size[1] * this.mm[1]);
    const pixel = Math.min(this.mm[0], this.mm[1]);
    this.width = Math.round(across / pixel);
    this.height = this.size[2];
    this.pixel = [pixel, this.mm[2]];
  }

  /** The hottest values behind each pixel; view 0 is from the front, the patient's left on the right. */
  view(number: number): Int16Array {
    const known = this.views.get(number);
    if (known) return known;
    const { width, pooled } = this;
    const nz = this.size[2];
    const view = new Int16Array(width * nz);
    const most = new Int16Array(nz);
    for (let u = 0; u < width; u++) {
      most.fill(0);
      for (const column of this.ray(number, u))
        for (let z = 0, at = column * nz; z < nz; z++, at++) if (pooled[at] > most[z]) most[z] = pooled[at];
      for (let z = 0; z < nz; z++) view[(nz - 1 - z) * width + u] = most[z];
    }
    this.views.set(number, view);
    return view;
  }

  /** The hottest voxel behind a pixel, the first from the viewer; null beside the volume. */
  hottest(number: number, u: number, w: number): Vec3 | null {
    const [nx, , nz] = this.size;
    const z = nz - 1 - w;
    if (u < 0 || u >= this.width || z < 0 || z >= nz) return null;
    let best = -1;
    let most = -Infinity;
    for (const at of this.ray(number, u)) {
      const value = this.pooled[at * nz + z];
      if (value > most) [most, best] = [value, at];
    }
    return best < 0 ? null : this.hottestOf([best % nx, Math.floor(best / nx), z]);
  }

  /** Where a voxel is seen. */
  pixelOf(number: number, voxel: Vec3): [number, number] {
    const [cos, sin] = turn(number);
    const [x, y, z] = voxel.map((v, i) => (v + 0.5) / this.factor[i] - 0.5);
    const across = (x - (this.size[0] - 1) / 2) * this.mm[0] * cos + (y - (this.size[1] - 1) / 2) * this.mm[1] * sin;
    return [across / this.pixel[0] + (this.width - 1) / 2, this.height - 1 - z];
  }

  /** The columns of pooled voxels behind one of a view, from the viewer on; samples so dense that none is missed. */
  private ray(number: number, u: number): number[] {
    const [cos, sin] = turn(number);
    const [nx, ny] = this.size;
    const column = (u - (this.width - 1) / 2) * this.pixel[0];
    const step = this.pixel[0] / 2;
    const half = Math.ceil(Math.hypot(nx * this.mm[0], ny * this.mm[1]) / 2 / step);
    const found: number[] = [];
    const ray = ++this.rays;
    for (let s = -half; s <= half; s++)
      for (const across of [column - step / 2, column + step / 2]) {
        const x = Math.round((across * cos - s * step * sin) / this.mm[0] + (nx - 1) / 2);
        const y = Math.round((across * sin + s * step * cos) / this.mm[1] + (ny - 1) / 2);
        const at = y * nx + x;
        if (x < 0 || x >= nx || y < 0 || y >= ny || this.met[at] === ray) continue;
        this.met[at] = ray;
        found.push(at);
      }
    return found;
  }

  private pool(): Int16Array {
    const [fx, fy, fz] = this.factor;
    const [nx, ny, nz] = this.size;
    const [width, height, depth] = this.grid.size;
    const [a, b, c] = this.grid.strides;
    const pooled = new Int16Array(nx * ny * nz).fill(-32768);
    for (let z = 0; z < depth; z++)
      for (let y = 0; y < height; y++) {
        let to = Math.floor(y / fy) * nx * nz + Math.floor(z / fz);
        let index = this.grid.start + y * b + z * c;
        for (let x = 0, n = 0; x < width; x++, index += a) {
          const value = this.data[index];
          if (value > pooled[to]) pooled[to] = value;
          if (++n === fx) {
            n = 0;
            to += nz;
          }
        }
      }
    return pooled;
  }

  private hottestOf(cell: Vec3): Vec3 {
    const [fx, fy, fz] = this.factor;
    const low = cell.map((c, i) => c * this.factor[i]) as Vec3;
    let best = low;
    let most = -Infinity;
    for (let z = 0; z < fz; z++)
      for (let y = 0; y < fy; y++)
        for (let x = 0; x < fx; x++) {
          const voxel: Vec3 = [low[0] + x, low[1] + y, low[2] + z];
          if (!this.grid.inside(voxel)) continue;
          const value = this.data[this.grid.index(voxel)];
          if (value > most) [most, best] = [value, voxel];
        }
    return best;
  }
}

function turn(number: number): [number, number] {
  const angle = (2 * Math.PI * number) / VIEWS;
  return [Math.cos(angle), Math.sin(angle)];
}
