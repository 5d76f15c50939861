/** The four pictures: what each needs to be drawn again, at most once a frame. */

import type { Vec3 } from "../data/grid";
import { PLANES, type Plane, type PlaneName } from "../data/planes";
import type { Reading } from "../data/reading";
import { FIRST_LOOK, type Look } from "../render/look";
import type { Slices } from "../render/slices";
import type { Box, Marks, Pane } from "./pane";
import type { Turning } from "./turning";

type Stroke = Marks["strokes"][number];

export class Pictures {
  cursor: Vec3 = [-1, -1, -1];
  private look_: Look = FIRST_LOOK;
  private readonly slicesDue = new Set<PlaneName>();
  private readonly marksDue = new Set<PlaneName>();
  private projectionDue = false;
  private frame = 0;
  private hovered: Box | null = null;
  private drawn: Stroke | null = null;
  private readonly sending = new Set<Stroke>();

  constructor(
    private readonly reading: Reading,
    private readonly slices: Slices,
    private readonly panes: Pane[],
    readonly turning: Turning,
  ) {
    for (const pane of panes) pane.attach(slices);
  }

  /** The plane that the keys act on: the last that had the focus; null for the projection. */
  get plane(): Plane | null {
    const pane = document.activeElement?.closest<HTMLElement>(".pane")?.dataset.plane ?? this.last;
    this.last = pane;
    return PLANES.find((plane) => plane.name === pane) ?? null;
  }
  private last = "axial";

  focus(pane: number): void {
    (pane < 3 ? this.panes[pane] : this.turning).element.focus();
  }

  look(voxel: Vec3): void {
    for (const plane of PLANES) if (voxel[plane.through] !== this.cursor[plane.through]) this.slicesDue.add(plane.name);
    this.cursor = voxel;
    this.projectionDue = true;
    this.redraw();
  }

  present(look: Look): void {
    this.look_ = look;
    this.slices.present(look, this.reading.pet.slope);
    for (const plane of PLANES) this.slicesDue.add(plane.name);
    this.projectionDue = true;
    this.redraw();
  }

  changed(): void {
    this.projectionDue = true;
    this.redraw();
  }

  hover(box: Box | null): void {
    if (box === this.hovered) return;
    this.hovered = box;
    this.redraw();
  }

  drawing(stroke: Stroke | null): void {
    this.drawn = stroke;
    this.redraw();
  }

  /** Shows a stroke until the returned function is called. */
  sent(stroke: Stroke): () => void {
    this.sending.add(stroke);
    this.redraw();
    return () => {
      this.sending.delete(stroke);
      this.redraw();
    };
  }

  moved(plane: Plane): void {
    this.marksDue.add(plane.name);
    this.schedule();
  }

  zoom(plane: Plane, factor: number): void {
    this.slices.zoom(plane.name, factor, this.slices.point(plane.name, this.cursor));
    this.moved(plane);
  }

  pan(plane: Plane, by: [number, number]): void {
    this.slices.pan(plane.name, by);
    this.moved(plane);
  }

  fit(): void {
    for (const plane of PLANES) {
      this.slices.fit(plane.name);
      this.slicesDue.add(plane.name);
    }
    this.redraw();
  }

  resize(): void {
    for (const pane of this.panes) pane.resize();
    this.turning.resize();
    this.slices.resize();
    for (const plane of PLANES) this.slicesDue.add(plane.name);
    this.projectionDue = true;
    this.redraw();
  }

  close(): void {
    cancelAnimationFrame(this.frame);
    this.turning.close();
    this.slices.close();
  }

  private redraw(): void {
    for (const plane of PLANES) this.marksDue.add(plane.name);
    this.schedule();
  }

  private schedule(): void {
    if (!this.frame) this.frame = requestAnimationFrame(() => this.paint());
  }

  private paint(): void {
    this.frame = 0;
    const { reading, cursor } = this;
    const marks: Marks = {
      cursor,
      labels: reading.labels.data,
      revision: reading.state.revision,
      lesions: new Map(reading.state.lesions.map((one) => [one.lesion, one])),
      selected: reading.selected,
      shown: this.look_.lesions,
      hover: this.hovered,
      strokes: [...this.sending, ...(this.drawn ? [this.drawn] : [])],
    };
    for (const name of this.slicesDue) this.slices.show(name, cursor);
    this.slicesDue.clear();
    for (const pane of this.panes) if (this.marksDue.has(pane.plane.name)) pane.draw(marks);
    this.marksDue.clear();
    if (!this.projectionDue) return;
    this.projectionDue = false;
    const lesions = this.look_.lesions ? reading.state.lesions : [];
    this.turning.show(this.look_.suv, cursor, lesions, reading.labels.data, reading.state.revision);
    performance.mark("shown");
  }
}
