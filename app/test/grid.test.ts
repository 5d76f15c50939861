import { expect, test } from "vitest";
import { Grid, type Vec3 } from "../src/data/grid";
import { Labels } from "../src/data/labels";
import { cut, PLANES, pixelOf, voxelOf } from "../src/data/planes";
import { stroke } from "../src/data/strokes";

const identity = [1, 0, 0, 0, 1, 0, 0, 0, 1];
// Stored x runs to the head, y to the right, z to the back.
const turned = new Grid(
  { size: [4, 5, 6], spacing: [3, 2, 1], origin: [10, 20, 30], direction: [0, -1, 0, 0, 0, 1, 1, 0, 0] },
  { axes: [1, 2, 0], flips: [true, false, false] },
);
const plain = new Grid(
  { size: [4, 5, 6], spacing: [3, 2, 1], origin: [0, 0, 0], direction: identity },
  { axes: [0, 1, 2], flips: [false, false, false] },
);

test("axial voxels and stored ones are each other's inverse, and the index is the stored one's", () => {
  expect(turned.size).toEqual([5, 6, 4]);
  expect(turned.spacing).toEqual([2, 1, 3]);
  for (const voxel of [[0, 0, 0], [4, 5, 3], [1, 2, 3]] as Vec3[]) {
    const stored = turned.toStored(voxel);
    expect(turned.toAxial(stored)).toEqual(voxel);
    expect(turned.index(voxel)).toBe(stored[0] + 4 * (stored[1] + 5 * stored[2]));
  }
  expect(turned.toStored([0, 0, 0])).toEqual([0, 4, 0]);
});

test("a step to the axial left is a step to the left in the patient", () => {
  const a = turned.toWorld([0, 0, 0]);
  expect(turned.toWorld([1, 0, 0]).map((v, i) => v - a[i])).toEqual([2, 0, 0]);
  expect(turned.toWorld([0, 1, 0]).map((v, i) => v - a[i])).toEqual([0, 1, 0]);
  expect(turned.toWorld([0, 0, 1]).map((v, i) => v - a[i])).toEqual([0, 0, 3]);
  expect(a).toEqual([10 - 8, 20, 30]);
});

test("boxes turn with the axes", () => {
  expect(turned.boxToAxial([1, 0, 2], [2, 3, 1])).toEqual({ low: [2, 2, 1], size: [3, 1, 2] });
});

test("an update replaces its box, and a reset what lies outside it", () => {
  const labels = new Labels(plain);
  labels.put({ reset: false, low: [1, 2, 3], size: [2, 1, 2] }, Uint16Array.from([1, 2, 3, 4]));
  expect([labels.at([1, 2, 3]), labels.at([2, 2, 3]), labels.at([1, 2, 4]), labels.at([2, 2, 4])]).toEqual([1, 2, 3, 4]);
  labels.put({ reset: false, low: [1, 2, 3], size: [1, 1, 1] }, Uint16Array.from([0]));
  expect([labels.at([1, 2, 3]), labels.at([2, 2, 3])]).toEqual([0, 2]);
  labels.put({ reset: true, low: [0, 0, 0], size: [1, 1, 1] }, Uint16Array.from([7]));
  expect([labels.at([0, 0, 0]), labels.at([2, 2, 3]), labels.at([9, 0, 0])]).toEqual([7, 0, 0]);
});

test("a slice shows each voxel where pixelOf says", () => {
  const numbers = Uint16Array.from({ length: 4 * 5 * 6 }, (_, i) => i);
  for (const grid of [plain, turned])
    for (const plane of PLANES) {
      const width = grid.size[plane.right];
      const slice = new Uint16Array(width * grid.size[plane.down]);
      cut(grid, plane, 1, numbers, slice);
      for (const voxel of [[0, 0, 0], [2, 3, 1]] as Vec3[]) {
        voxel[plane.through] = 1;
        const [u, v] = pixelOf(grid, plane, voxel);
        expect(slice[v * width + u]).toBe(grid.index(voxel));
        expect(voxelOf(grid, plane, 1, [u, v])).toEqual(voxel);
      }
    }
});

test("head is up and the patient's left is right", () => {
  const coronal = PLANES[1];
  expect(pixelOf(plain, coronal, [0, 0, 5])).toEqual([0, 0]);
  expect(coronal.marks).toEqual(["R", "L", "H", "F"]);
});

test("a stroke has no gaps and no repeats", () => {
  expect(stroke([[1, 1, 1]])).toEqual([[1, 1, 1]]);
  expect(stroke([[0, 0, 0], [3, 1, 0], [0, 0, 0]])).toEqual([[0, 0, 0], [1, 0, 0], [2, 1, 0], [3, 1, 0]]);
});
