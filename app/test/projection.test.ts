import { expect, test } from "vitest";
import { Grid, type Vec3 } from "../src/data/grid";
import { Projection, VIEWS } from "../src/render/projection";

const grid = new Grid(
  { size: [20, 16, 10], spacing: [2, 2, 4], origin: [0, 0, 0], direction: [1, 0, 0, 0, 1, 0, 0, 0, 1] },
  { axes: [0, 1, 2], flips: [true, false, false] },
);
const hot: Vec3 = [15, 5, 7];

function projection(...voxels: [Vec3, number][]): Projection {
  const data = new Int16Array(20 * 16 * 10);
  for (const [voxel, value] of voxels) data[grid.index(voxel)] = value;
  return new Projection(grid, data);
}

test("from every side the hottest voxel is seen where pixelOf says, and found again", () => {
  const seen = projection([hot, 100], [[3, 12, 7], 50]);
  for (let number = 0; number < VIEWS; number++) {
    const view = seen.view(number);
    const [u, w] = seen.pixelOf(number, hot);
    const brightest = view.indexOf(Math.max(...view));
    expect(view[brightest]).toBe(100);
    expect(Math.abs((brightest % seen.width) - u)).toBeLessThan(1.01);
    expect(Math.floor(brightest / seen.width)).toBe(Math.round(w));
    expect(seen.hottest(number, brightest % seen.width, Math.floor(brightest / seen.width))).toEqual(hot);
  }
});

test("the front view has the patient's left on the right and the head up", () => {
  const seen = projection([hot, 100]);
  const [u, w] = seen.pixelOf(0, hot);
  expect(u).toBeGreaterThan(seen.width / 2);
  expect(w).toBeLessThan(seen.height / 2);
  expect(seen.pixelOf(VIEWS / 2, hot)[0]).toBeLessThan(seen.width / 2);
});

test("of two equal voxels the nearer one is found, and beside the volume none", () => {
  const seen = projection([[10, 2, 5], 9], [[10, 13, 5], 9]);
  const [u, w] = seen.pixelOf(0, [10, 2, 5]).map(Math.round);
  expect(seen.hottest(0, u, w)).toEqual([10, 2, 5]);
  expect(seen.hottest(VIEWS / 2, seen.width - 1 - u, w)).toEqual([10, 13, 5]);
  expect(seen.hottest(0, -1, w)).toBeNull();
  expect(seen.hottest(0, 0, 99)).toBeNull();
});
