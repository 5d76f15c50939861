/** The keys that move the crosshair and the pictures, and the strokes that they draw. */

import type { Vec3 } from "../data/grid";
import type { Reading } from "../data/reading";
import { tell } from "./dom";
import type { Pictures } from "./pictures";

/** How far the key for it looks for the hottest voxel. */
const HOT_MM = 20;
/** A key moves a picture by so many CSS pixels. */
const PAN = 40;

export class Walk {
  private path: Vec3[] | null = null;

  constructor(
    private readonly reading: Reading,
    private readonly pictures: Pictures,
    private readonly look: (voxel: Vec3) => void,
  ) {}

  /** The path that the arrows have drawn, or the crosshair alone; ends a stroke. */
  take(): Vec3[] {
    const path = this.path ?? [this.pictures.cursor];
    this.path = null;
    this.pictures.drawing(null);
    return path;
  }

  commands(): Record<string, () => void> {
    const { pictures } = this;
    const { plane } = pictures;
    const go = (right: number, down: number, through = 0) => () => {
      if (!plane) {
        if (right) pictures.turning.step(right);
        if (down) this.go([0, 0, -down]);
        return;
      }
      const by: Vec3 = [0, 0, 0];
      by[plane.right] += right;
      by[plane.down] += plane.downFlipped ? -down : down;
      by[plane.through] += plane.through === 2 ? -through : through;
      this.go(by);
    };
    const pan = (x: number, y: number) => () => plane && pictures.pan(plane, [x, y]);
    return {
      left: go(-1, 0),
      right: go(1, 0),
      up: go(0, -1),
      down: go(0, 1),
      previous: go(0, 0, -1),
      next: go(0, 0, 1),
      pane1: () => pictures.focus(0),
      pane2: () => pictures.focus(1),
      pane3: () => pictures.focus(2),
      pane4: () => pictures.focus(3),
      hot: () => this.look(this.hottest()),
      zoomIn: () => plane && pictures.zoom(plane, 1.25),
      zoomOut: () => plane && pictures.zoom(plane, 0.8),
      panLeft: pan(-PAN, 0),
      panRight: pan(PAN, 0),
      panUp: pan(0, -PAN),
      panDown: pan(0, PAN),
      fit: () => pictures.fit(),
      turn: () => pictures.turning.turn(),
      stroke: () => this.stroke(),
    };
  }

  private go(by: Vec3): void {
    this.look(this.reading.grid.clamped(this.pictures.cursor.map((v, i) => v + by[i]) as Vec3));
    if (!this.path) return;
    this.path.push([...this.pictures.cursor]);
    this.pictures.drawing({ voxels: this.path, label: "tumor" });
  }

  private stroke(): void {
    this.path = this.path ? null : [[...this.pictures.cursor]];
    this.pictures.drawing(this.path && { voxels: this.path, label: "tumor" });
    if (this.path) tell("Stroke: draw with the arrows; Enter is lesion, Shift+Enter background, S gives it up.");
  }

  private hottest(): Vec3 {
    const { grid } = this.reading;
    const at = this.pictures.cursor;
    const reach = grid.spacing.map((mm) => Math.ceil(HOT_MM / mm));
    let best = at;
    for (let z = -reach[2]; z <= reach[2]; z++)
      for (let y = -reach[1]; y <= reach[1]; y++)
        for (let x = -reach[0]; x <= reach[0]; x++) {
          const voxel: Vec3 = [at[0] + x, at[1] + y, at[2] + z];
          if (!grid.inside(voxel) || Math.hypot(...[x, y, z].map((v, i) => v * grid.spacing[i])) > HOT_MM) continue;
          if (this.reading.suv(voxel) > this.reading.suv(best)) best = voxel;
        }
    return best;
  }
}
