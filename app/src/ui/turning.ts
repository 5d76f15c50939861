/** The turning projection in inverted grey. */

import type { Lesion } from "../data/api";
import type { Grid, Vec3 } from "../data/grid";
import { drawCross } from "../render/marks";
import { Projection, VIEWS } from "../render/projection";
import { button, h } from "./dom";

const TURN_MS = 120;

export class Turning {
  readonly element: HTMLDivElement;
  private readonly canvas = h("canvas", { class: "marks" });
  private readonly play: HTMLButtonElement;
  private number = 0;
  private timer: ReturnType<typeof setInterval> | null = null;
  private suv: [number, number] = [0, 10];
  private cursor: Vec3 = [0, 0, 0];
  private lesions: Lesion[] = [];
  private labels: Uint16Array | null = null;
  /** The picture of a view, kept while nothing of it changes. */
  private kept: { key: string; canvas: HTMLCanvasElement } | null = null;
  /** Lesion numbers behind the pixels of a view, kept while neither changes. */
  private behind: { key: string; values: Uint16Array } | null = null;
  private revision = 0;
  /** The pane's width and height in CSS pixels. */
  private room: [number, number] = [1, 1];

  constructor(
    private readonly grid: Grid,
    private readonly projection: Projection,
    private readonly slope: number,
    found: (voxel: Vec3) => void,
  ) {
    this.play = button("Turn", () => this.turn(), { class: "turn", "aria-pressed": "false", title: "Turn (R)" });
    this.element = h(
      "div",
      {
        class: "pane mip",
        tabindex: 0,
        role: "application",
        "aria-label": "turning projection",
        "data-plane": "mip",
        "data-view": 0,
      },
      this.canvas,
      h("span", { class: "mark m0", "aria-hidden": "true" }, "R"),
      h("span", { class: "mark m1", "aria-hidden": "true" }, "L"),
      h("span", { class: "mark m2", "aria-hidden": "true" }, "H"),
      h("span", { class: "mark m3", "aria-hidden": "true" }, "F"),
      h("span", { class: "caption" }),
      this.play,
    );
    this.listen(found);
  }

  resize(): void {
    const { width, height } = this.element.getBoundingClientRect();
    this.room = [width, height];
    const ratio = devicePixelRatio || 1;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.canvas.getContext("2d")!.setTransform(ratio, 0, 0, ratio, 0, 0);
  }

  show(suv: [number, number], cursor: Vec3, lesions: Lesion[], labels: Uint16Array | null, revision: number): void {
    Object.assign(this, { suv, cursor, lesions, labels, revision });
    this.draw();
  }

  turn(on = this.timer === null): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = on ? setInterval(() => this.step(1), TURN_MS) : null;
    this.play.setAttribute("aria-pressed", String(on));
  }

  step(views: number): void {
    this.number = (((this.number + views) % VIEWS) + VIEWS) % VIEWS;
    this.draw();
  }

  close(): void {
    this.turn(false);
  }

  private draw(): void {
    const context = this.canvas.getContext("2d")!;
    const { x, y, scale } = this.fit();
    const { width, height, pixel } = this.projection;
    context.fillStyle = "#fff";
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    context.imageSmoothingEnabled = true;
    context.drawImage(this.picture(), x, y, width * pixel[0] * scale, height * pixel[1] * scale);
    const [u, w] = this.projection.pixelOf(this.number, this.cursor);
    drawCross(context, [x + (u + 0.5) * pixel[0] * scale, y + (w + 0.5) * pixel[1] * scale]);
    this.element.dataset.view = String(this.number);
    const sides = ["R", "A", "L", "P"];
    const quarter = Math.round(this.number / (VIEWS / 4)) % 4;
    this.element.querySelector(".m0")!.textContent = sides[quarter];
    this.element.querySelector(".m1")!.textContent = sides[(quarter + 2) % 4];
    this.element.querySelector(".caption")!.textContent = `projection ${(360 / VIEWS) * this.number}°`;
  }

  /** Where the picture lies in the pane, and CSS pixels a mm. */
  private fit(): { x: number; y: number; scale: number } {
    const [across, down] = this.room;
    const { width, height, pixel } = this.projection;
    const mm = [width * pixel[0], height * pixel[1]];
    const scale = Math.min(across / mm[0], down / mm[1]);
    return { x: (across - mm[0] * scale) / 2, y: (down - mm[1] * scale) / 2, scale };
  }

  private picture(): HTMLCanvasElement {
    const shown = this.lesions.filter((one) => !one.hidden).map((one) => `${one.lesion}:${one.colour.join()}`);
    const key = [this.number, this.revision, this.suv.join(), ...shown].join(" ");
    if (this.kept?.key !== key) this.kept = { key, canvas: this.painted() };
    return this.kept.canvas;
  }

  private painted(): HTMLCanvasElement {
    const { width, height } = this.projection;
    const view = this.projection.view(this.number);
    const canvas = h("canvas", { width, height });
    const image = new ImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer);
    const [low, high] = this.suv.map((v) => v / this.slope);
    for (let i = 0; i < view.length; i++) {
      const grey = 255 - Math.round(255 * Math.min(Math.max((view[i] - low) / (high - low), 0), 1));
      pixels[i] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
    }
    this.paintLesions(pixels);
    canvas.getContext("2d")!.putImageData(image, 0, 0);
    return canvas;
  }

  private paintLesions(pixels: Uint32Array): void {
    if (!this.labels || !this.lesions.length) return;
    const key = `${this.number} ${this.revision}`;
    if (this.behind?.key !== key) this.behind = { key, values: this.project(this.labels) };
    const { values } = this.behind;
    const colours = new Map(this.lesions.filter((one) => !one.hidden).map((one) => [one.lesion, one.colour]));
    for (let i = 0; i < values.length; i++) {
      const colour = values[i] ? colours.get(values[i]) : undefined;
      if (!colour) continue;
      const grey = pixels[i] & 255;
      const [r, g, b] = colour.map((c) => Math.round(0.4 * grey + 0.6 * c));
      pixels[i] = 0xff000000 | (b << 16) | (g << 8) | r;
    }
  }

  private project(labels: Uint16Array): Uint16Array {
    const { width, height } = this.projection;
    const values = new Uint16Array(width * height);
    for (const { lesion, low, size } of this.lesions) {
      const box = this.grid.boxToAxial(low, size);
      const voxel: Vec3 = [0, 0, 0];
      for (let k = 0; k < box.size[2]; k++)
        for (let j = 0; j < box.size[1]; j++)
          for (let i = 0; i < box.size[0]; i++) {
            voxel[0] = box.low[0] + i;
            voxel[1] = box.low[1] + j;
            voxel[2] = box.low[2] + k;
            if (labels[this.grid.index(voxel)] !== lesion) continue;
            const [u, w] = this.projection.pixelOf(this.number, voxel);
            values[Math.round(w) * width + Math.round(u)] = lesion;
          }
    }
    return values;
  }

  private listen(found: (voxel: Vec3) => void): void {
    let start: { x: number; y: number; view: number } | null = null;
    let moved = false;
    this.element.addEventListener("pointerdown", (event) => {
      if ((event.target as Element).closest("button")) return;
      this.element.focus();
      this.element.setPointerCapture(event.pointerId);
      start = { x: event.clientX, y: event.clientY, view: this.number };
      moved = false;
      event.preventDefault();
    });
    this.element.addEventListener("pointermove", (event) => {
      if (!start) return;
      const by = event.clientX - start.x;
      moved ||= Math.abs(by) > 6;
      if (moved) this.step(start.view - Math.round(by / 12) - this.number);
    });
    this.element.addEventListener("pointerup", (event) => {
      if (start && !moved) {
        const { x, y, scale } = this.fit();
        const { left, top } = this.element.getBoundingClientRect();
        const [pu, pw] = this.projection.pixel;
        const u = Math.floor((event.clientX - left - x) / scale / pu);
        const w = Math.floor((event.clientY - top - y) / scale / pw);
        const voxel = this.projection.hottest(this.number, u, w);
        if (voxel) found(voxel);
      }
      start = null;
    });
    this.element.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.step(event.deltaY > 0 ? 1 : -1);
    });
  }
}
