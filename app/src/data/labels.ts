/** The lesion numbers of all voxels, as stored, kept up by the boxes that change. */

import { unpack, type Update } from "./api";
import type { Grid, Vec3 } from "./grid";

export class Labels {
  readonly data: Uint16Array;

  constructor(readonly grid: Grid) {
    const [x, y, z] = grid.stored.size;
    this.data = new Uint16Array(x * y * z);
  }

  at(axial: Vec3): number {
    return this.grid.inside(axial) ? this.data[this.grid.index(axial)] : 0;
  }

  async apply(update: Update): Promise<void> {
    this.put(update, new Uint16Array(await unpack(update.data)));
  }

  put(box: { reset: boolean; low: Vec3; size: Vec3 }, values: Uint16Array): void {
    if (box.reset) this.data.fill(0);
    const [nx, ny, nz] = box.size;
    const [x, y, z] = box.low;
    const [width, height] = this.grid.stored.size;
    for (let k = 0; k < nz; k++)
      for (let j = 0; j < ny; j++) {
        const from = (k * ny + j) * nx;
        this.data.set(values.subarray(from, from + nx), ((z + k) * height + y + j) * width + x);
      }
  }
}
