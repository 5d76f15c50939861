import { expect, test } from "vitest";
import { Grid } from "../src/data/grid";
import { PLANES } from "../src/data/planes";
import { cutBox, edges, placed } from "../src/render/marks";

const grid = new Grid(
  { size: [6, 5, 4], spacing: [1, 1, 1], origin: [0, 0, 0], direction: [1, 0, 0, 0, 1, 0, 0, 0, 1] },
  { axes: [0, 1, 2], flips: [true, false, false] },
);

test("a single pixel has four sides, and neighbours share one between them", () => {
  expect(edges(Uint16Array.from([0, 0, 0, 0, 5, 0, 0, 0, 0]), 3, 3).get(5)).toHaveLength(4);
  const two = edges(Uint16Array.from([1, 1, 2, 0]), 2, 2);
  expect(two.get(1)).toHaveLength(6);
  expect(two.get(2)).toHaveLength(4);
  expect(two.has(0)).toBe(false);
});

test("a box is cut where it lies", () => {
  // One voxel at stored (1, 2, 3), in a box from (0, 2, 3); axial x is 5 - stored x.
  const box = { low: [0, 2, 3] as [number, number, number], size: [2, 1, 1] as [number, number, number], values: Uint8Array.from([0, 1]) };
  const axial = cutBox(grid, PLANES[0], 3, box);
  expect(axial).toEqual({ values: Uint8Array.from([1, 0]), size: [2, 1], low: [4, 2] });
  expect(cutBox(grid, PLANES[0], 2, box)).toBeNull();
  expect(cutBox(grid, PLANES[2], 4, box)).toEqual({ values: Uint8Array.from([1]), size: [1, 1], low: [2, 0] });
  expect(cutBox(grid, PLANES[0], 0, { ...box, size: [0, 0, 0], values: new Uint8Array(0) })).toBeNull();
});

test("pixels lie where their voxels are", () => {
  const at = placed(grid, PLANES[1], ([x, , z]) => [100 + 10 * x, 200 - 10 * z]);
  expect(at).toEqual({ origin: [95, 165], step: [10, 10] });
});
