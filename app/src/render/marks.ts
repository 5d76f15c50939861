/** Outlines between pixels of different values, and what is drawn over a slice. */

import type { Colour } from "../data/api";
import type { Grid, Vec3 } from "../data/grid";
import { pixelOf, type Plane } from "../data/planes";
import { CROSS, css, FILL } from "./look";

/** Two corners of a pixel; pixel (0, 0) reaches from 0 to 1. */
export type Edge = [number, number, number, number];

/** The sides at which a value ends, for each value but 0. */
export function edges(values: Uint16Array | Uint8Array, width: number, height: number): Map<number, Edge[]> {
  const found = new Map<number, Edge[]>();
  const add = (value: number, edge: Edge) => {
    const known = found.get(value);
    if (known) known.push(edge);
    else found.set(value, [edge]);
  };
  for (let v = 0, at = 0; v < height; v++)
    for (let u = 0; u < width; u++, at++) {
      const value = values[at];
      if (!value) continue;
      if (u === 0 || values[at - 1] !== value) add(value, [u, v, u, v + 1]);
      if (u === width - 1 || values[at + 1] !== value) add(value, [u + 1, v, u + 1, v + 1]);
      if (v === 0 || values[at - width] !== value) add(value, [u, v, u + 1, v]);
      if (v === height - 1 || values[at + width] !== value) add(value, [u, v + 1, u + 1, v + 1]);
    }
  return found;
}

/** A row of pixels of one value: where it begins, its row, where it ends. */
export type Run = [number, number, number];

/** What is drawn of each value of a slice. */
export type Outlined = Map<number, { edges: Edge[]; runs: Run[] }>;

export function outlined(values: Uint16Array | Uint8Array, [width, height]: [number, number]): Outlined {
  const found: Outlined = new Map();
  for (const [value, sides] of edges(values, width, height)) found.set(value, { edges: sides, runs: [] });
  for (let v = 0; found.size && v < height; v++)
    for (let u = 0; u < width; ) {
      const from = u;
      const value = values[v * width + u];
      while (u < width && values[v * width + u] === value) u++;
      if (value) found.get(value)!.runs.push([from, v, u]);
    }
  return found;
}

/** Where pixels of a slice lie on the screen: `origin` is the corner of pixel (0, 0), a pixel is `step` wide and high. */
export interface Placed {
  origin: [number, number];
  step: [number, number];
}

/** How the slice of a plane lies, from where two of its voxels are. */
export function placed(grid: Grid, plane: Plane, point: (voxel: Vec3) => [number, number]): Placed {
  const far: Vec3 = [grid.size[0] - 1, grid.size[1] - 1, grid.size[2] - 1];
  const first: Vec3 = [0, 0, 0];
  const [u0, v0] = pixelOf(grid, plane, first);
  const [u1, v1] = pixelOf(grid, plane, far);
  const a = point(first);
  const b = point(far);
  const step: [number, number] = [(b[0] - a[0]) / (u1 - u0 || 1), (b[1] - a[1]) / (v1 - v0 || 1)];
  return { origin: [a[0] - (u0 + 0.5) * step[0], a[1] - (v0 + 0.5) * step[1]], step };
}

export interface Styles {
  colour: (value: number) => Colour | null;
  dashed?: boolean;
  fill?: boolean;
}

/** Outlines values of a slice, or of a part of it that begins at pixel `low`. */
export function drawValues(
  context: CanvasRenderingContext2D,
  values: Outlined,
  at: Placed,
  styles: Styles,
  low: [number, number] = [0, 0],
): void {
  const x = (u: number) => at.origin[0] + (u + low[0]) * at.step[0];
  const y = (v: number) => at.origin[1] + (v + low[1]) * at.step[1];
  context.save();
  context.lineWidth = 1.5;
  for (const [value, { edges, runs }] of values) {
    const colour = styles.colour(value);
    if (!colour) continue;
    if (styles.fill) {
      context.fillStyle = css(colour, FILL);
      for (const [from, v, to] of runs) context.fillRect(x(from), y(v), x(to) - x(from), y(v + 1) - y(v));
    }
    context.strokeStyle = css(colour);
    context.beginPath();
    for (const [u0, v0, u1, v1] of edges) {
      // Each side is a line of its own, so that a pattern of dashes would begin anew.
      if (styles.dashed && (u0 + v0) % 2) continue;
      context.moveTo(x(u0), y(v0));
      context.lineTo(x(u1), y(v1));
    }
    context.stroke();
  }
  context.restore();
}

/** A dashed cross that leaves its middle free. */
export function drawCross(context: CanvasRenderingContext2D, at: [number, number], gap = 10): void {
  // In the middle of a pixel, so that a line is one pixel wide.
  const [x, y] = at.map((v) => Math.floor(v) + 0.5);
  const { width, height } = context.canvas;
  context.save();
  context.strokeStyle = CROSS;
  context.setLineDash([3, 4]);
  context.beginPath();
  for (const [from, to] of [
    [0, x - gap],
    [x + gap, width],
  ]) {
    context.moveTo(from, y);
    context.lineTo(to, y);
  }
  for (const [from, to] of [
    [0, y - gap],
    [y + gap, height],
  ]) {
    context.moveTo(x, from);
    context.lineTo(x, to);
  }
  context.stroke();
  context.restore();
}

/** A slice of a box of axial voxels [x fastest in stored order], or null where the plane does not meet it. */
export function cutBox(
  grid: Grid,
  plane: Plane,
  slice: number,
  box: { low: Vec3; size: Vec3; values: Uint8Array },
): { values: Uint8Array; size: [number, number]; low: [number, number] } | null {
  const { low, size } = grid.boxToAxial(box.low, box.size);
  if (size.some((n) => n < 1) || slice < low[plane.through] || slice >= low[plane.through] + size[plane.through])
    return null;
  const width = size[plane.right];
  const height = size[plane.down];
  const values = new Uint8Array(width * height);
  const corner: Vec3 = [...low];
  if (plane.downFlipped) corner[plane.down] += height - 1;
  const start = pixelOf(grid, plane, corner);
  const voxel: Vec3 = [0, 0, 0];
  voxel[plane.through] = slice;
  for (let v = 0; v < height; v++)
    for (let u = 0; u < width; u++) {
      voxel[plane.right] = corner[plane.right] + u;
      voxel[plane.down] = corner[plane.down] + (plane.downFlipped ? -v : v);
      const at = grid.toStored(voxel);
      values[v * width + u] =
        box.values[
          at[0] - box.low[0] + box.size[0] * (at[1] - box.low[1] + box.size[1] * (at[2] - box.low[2]))
        ];
    }
  return { values, size: [width, height], low: start };
}
