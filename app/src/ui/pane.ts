/** One plane: the rendered slice, the marks over it, and the hand on it. */

import type { Label, Lesion } from "../data/api";
import { Grid, type Vec3 } from "../data/grid";
import { cut, type Plane } from "../data/planes";
import { cutBox, drawCross, drawValues, outlined, placed, type Outlined } from "../render/marks";
import { STROKES } from "../render/look";
import type { Slices } from "../render/slices";
import { h } from "./dom";

/** A hand that clicks moves less than this, in CSS pixels. */
const STILL = 4;

export interface Box {
  low: Vec3;
  size: Vec3;
  values: Uint8Array;
}

/** What is drawn over the slices of all planes. */
export interface Marks {
  cursor: Vec3;
  labels: Uint16Array;
  /** Of the labels: what was outlined of another is old. */
  revision: number;
  lesions: Map<number, Lesion>;
  selected: number | null;
  shown: boolean;
  hover: Box | null;
  /** Strokes on their way to the server, and the one being drawn. */
  strokes: { voxels: Vec3[]; label: Label; radius_mm?: number }[];
}

export interface Hand {
  /** Where the pointer is; null when it has left. */
  point(plane: Plane, voxel: Vec3 | null): void;
  /** A finished click (one voxel) or drag. */
  draw(plane: Plane, path: Vec3[], label: Label): void;
  /** While a drag is under way. */
  drawing(path: Vec3[], label: Label): void;
  look(voxel: Vec3): void;
  scroll(plane: Plane, slices: number): void;
  moved(plane: Plane): void;
}

export class Pane {
  readonly element: HTMLDivElement;
  readonly picture = h("div", { class: "picture" });
  private readonly canvas = h("canvas", { class: "marks" });
  private readonly slice: Uint16Array;
  private slices: Slices | null = null;
  /** The lesions of a slice, kept while neither changes. */
  private kept: { key: string; values: Outlined } | null = null;

  constructor(
    readonly plane: Plane,
    private readonly grid: Grid,
    private readonly hand: Hand,
  ) {
    const letters = plane.marks.map((letter, i) => h("span", { class: `mark m${i}`, "aria-hidden": "true" }, letter));
    this.element = h(
      "div",
      {
        class: `pane ${plane.name}`,
        tabindex: 0,
        role: "application",
        "aria-label": `${plane.name} slice`,
        "data-plane": plane.name,
      },
      this.picture,
      this.canvas,
      ...letters,
      h("span", { class: "caption" }),
    );
    this.slice = new Uint16Array(grid.size[plane.right] * grid.size[plane.down]);
    this.listen();
  }

  attach(slices: Slices): void {
    this.slices = slices;
  }

  resize(): void {
    const { width, height } = this.element.getBoundingClientRect();
    const ratio = devicePixelRatio || 1;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.canvas.getContext("2d")!.setTransform(ratio, 0, 0, ratio, 0, 0);
  }

  draw(marks: Marks): void {
    if (!this.slices) return;
    const context = this.canvas.getContext("2d")!;
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    const { plane, grid, slices } = this;
    const index = marks.cursor[plane.through];
    const at = placed(grid, plane, (voxel) => slices.point(plane.name, voxel));
    if (marks.shown && marks.lesions.size) {
      drawValues(context, this.lesions(marks, index), at, {
        fill: true,
        colour: (value) => {
          const lesion = marks.lesions.get(value);
          return !lesion || lesion.hidden ? null : lesion.colour;
        },
      });
    }
    const hover = marks.hover && cutBox(grid, plane, index, marks.hover);
    if (hover)
      drawValues(context, outlined(hover.values, hover.size), at, { dashed: true, colour: () => [255, 255, 255] }, hover.low);
    for (const { voxels, label, radius_mm } of marks.strokes) this.drawStroke(context, voxels, label, index, radius_mm);
    drawCross(context, slices.point(plane.name, marks.cursor));
    const caption = this.element.querySelector(".caption")!;
    caption.textContent = `${plane.name} ${index + 1}/${grid.size[plane.through]}`;
  }

  private lesions({ labels, revision }: Marks, index: number): Outlined {
    const key = `${index} ${revision}`;
    if (this.kept?.key !== key) {
      const { plane, grid } = this;
      cut(grid, plane, index, labels, this.slice);
      this.kept = { key, values: outlined(this.slice, [grid.size[plane.right], grid.size[plane.down]]) };
    }
    return this.kept.values;
  }

  private drawStroke(
    context: CanvasRenderingContext2D,
    voxels: Vec3[],
    label: Label,
    index: number,
    radius?: number,
  ): void {
    const here = voxels.filter((v) => Math.round(v[this.plane.through]) === index);
    if (!here.length || !this.slices) return;
    const points = here.map((v) => this.slices!.point(this.plane.name, v));
    context.save();
    context.strokeStyle = STROKES[label];
    context.fillStyle = STROKES[label];
    context.lineCap = context.lineJoin = "round";
    context.lineWidth = 3;
    if (radius) {
      context.globalAlpha = 0.4;
      const mm = this.grid.spacing[this.plane.right];
      const [a, b] = [here[0], [...here[0]] as Vec3];
      b[this.plane.right] += 1;
      const step = Math.abs(this.slices.point(this.plane.name, b)[0] - this.slices.point(this.plane.name, a)[0]);
      context.lineWidth = (2 * radius * step) / mm;
    }
    context.beginPath();
    points.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
    if (points.length === 1) context.lineTo(points[0][0] + 0.01, points[0][1]);
    context.stroke();
    context.restore();
  }

  private voxel(event: MouseEvent): Vec3 {
    const { left, top } = this.element.getBoundingClientRect();
    return this.slices!.voxel(this.plane.name, [event.clientX - left, event.clientY - top]);
  }

  private listen(): void {
    const { element, plane, hand } = this;
    let path: Vec3[] = [];
    let label: Label = "tumor";
    let start: [number, number] | null = null;
    let kind: "draw" | "look" | "pan" | null = null;
    let far = false;
    element.addEventListener("contextmenu", (event) => event.preventDefault());
    element.addEventListener("pointerdown", (event) => {
      if (!this.slices) return;
      element.focus();
      element.setPointerCapture(event.pointerId);
      start = [event.clientX, event.clientY];
      far = false;
      const voxel = this.voxel(event);
      if (event.button === 1 || (event.button === 0 && (event.ctrlKey || event.metaKey))) kind = "pan";
      else if (event.altKey || !this.grid.inside(this.grid.clamped(voxel))) kind = "look";
      else {
        kind = "draw";
        label = event.button === 2 || event.shiftKey ? "background" : "tumor";
      }
      path = [voxel];
      if (kind === "look") hand.look(this.grid.clamped(voxel));
      event.preventDefault();
    });
    element.addEventListener("pointermove", (event) => {
      if (!this.slices) return;
      const voxel = this.voxel(event);
      if (kind === null || start === null) {
        const at = voxel.map(Math.round) as Vec3;
        hand.point(plane, this.grid.inside(at) ? at : null);
        return;
      }
      far ||= Math.hypot(event.clientX - start[0], event.clientY - start[1]) >= STILL;
      if (kind === "pan") {
        this.slices.pan(plane.name, [event.clientX - start[0], event.clientY - start[1]]);
        start = [event.clientX, event.clientY];
        hand.moved(plane);
      } else if (kind === "look") hand.look(this.grid.clamped(voxel));
      else if (far) {
        path.push(voxel);
        hand.drawing(path, label);
      }
    });
    const end = () => {
      if (kind === "draw") hand.draw(plane, far ? path : path.slice(0, 1), label);
      kind = start = null;
    };
    element.addEventListener("pointerup", end);
    element.addEventListener("pointercancel", () => (kind = start = null));
    element.addEventListener("pointerleave", () => kind === null && hand.point(plane, null));
    element.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        if (!this.slices) return;
        if (event.ctrlKey || event.metaKey) {
          const { left, top } = element.getBoundingClientRect();
          this.slices.zoom(plane.name, event.deltaY < 0 ? 1.15 : 1 / 1.15, [event.clientX - left, event.clientY - top]);
          hand.moved(plane);
        } else hand.scroll(plane, event.deltaY > 0 ? 1 : -1);
      },
      { passive: false },
    );
  }
}
